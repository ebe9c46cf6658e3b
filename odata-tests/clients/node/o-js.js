// o.js with version 3: JSON light by `$format=json` and no version headers.
'use strict';

const o = require('o.js');
const { assert, contains, failure, password, root, step, tell, user } = require('./story.js');

o().config({ endpoint: root, version: 3, username: user, password });

const names = (found) => found.data.map((product) => product.Name);
let made;

step('read a set', async () => {
  const found = await o('Categories').get();
  assert.deepEqual(names(found), ['Ropes', 'Lamps', 'Empty shelf']);
});

step('filter, order, page and count', async () => {
  const found = await o('Products').filter("startswith(Name,'D') == true || Price > 60.5 && substringof('lamp',Name)").orderByDesc('Price').select('Name').get();
  assert.deepEqual(names(found), ['Fog lamp', 'Deck lamp', 'Engine lamp']);
  const page = await o('Products').orderBy('Id').skip(2).top(2).inlineCount().get();
  assert.deepEqual([names(page), page.inlinecount], [['Cord', 'Deck lamp'], '10']);
  assert.equal((await o('Products').filter('Stock > 50').count().get()).data, 3);
});

step('search', async () => {
  // The library escapes nothing: what a URL cannot hold is the program's to encode.
  const word = encodeURIComponent("Häkelgarn&O''Neill").replace('%26', ' %26 ');
  const found = await o('Products').search(['Name'], word).get();
  assert.deepEqual(names(found), ["Häkelgarn & O'Neill's"]);
});

step('one entity', async () => {
  const found = await o('Products').find('4L').get();
  assert.deepEqual([found.data.Name, found.data.Price, found.data.Stock], ['Deck lamp', '120.00', 2]);
  assert.equal((await o('Products(4)').get()).data.Name, 'Deck lamp');
  assert.equal((await o("Readings(PartitionKey='north',RowKey='001')").get()).data.Note, 'frost');
});

step('expand', async () => {
  const found = await o('Orders').find(1).expand('Lines/Product').get();
  assert.deepEqual(found.data.Lines.map((line) => line.Product.Name), ['Anchor rope', 'Deck lamp']);
  assert.deepEqual(names(await o('Categories(2)/Products').get()), ['Deck lamp', 'Engine lamp', 'Fog lamp']);
});

step('create', async () => {
  made = (await o('Products').post({ Name: 'Kite', Price: '9.90', CategoryId: 2 }).save()).data;
  assert.deepEqual([made.Name, made.Price, made.Stock], ['Kite', '9.90', 0]);
});

step('update', async () => {
  await o('Products').find(made.Id).patch({ Stock: 5 }).save();
  const found = await o('Products').find(made.Id).get();
  assert.deepEqual([found.data.Name, found.data.Stock], ['Kite', 5]);
  // The library sends back what it has read.
  found.data.Stock = 6;
  await found.save();
  assert.equal((await o('Products').find(made.Id).get()).data.Stock, 6);
});

step('batch', async () => {
  const found = await o('Categories').batch('Labels').batch('Products(1)').get();
  assert.deepEqual([found.data[0].length, found.data[1].length, found.data[2].Name], [3, 3, 'Anchor rope']);
});

step('delete', async () => {
  await o('Products').find(made.Id).remove().save();
  assert.equal((await failure(() => o('Products').find(made.Id).get())).status, 404);
});

step('errors', async () => {
  const missing = await failure(() => o('Products').find(4711).get());
  assert.equal(missing.status, 404);
  contains(missing.message, 'HTTP Status: 404');
  const wrong = await failure(() => o('Products').filter('Nope eq 1').get());
  contains(wrong.message, 'Nope');
  contains(wrong.message, 'HTTP Status: 400');
  contains((await failure(() => o('Nopes').get())).message, 'HTTP Status: 404');
});

tell();
