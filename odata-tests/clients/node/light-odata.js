// @odata/client (light-odata) in its v2 mode: verbose JSON, each change of a batch in a change set of its own.
'use strict';

const { OData, RawValue } = require('@odata/client');
const { assert, contains, failure, password, root, step, tell, user } = require('./story.js');

const client = OData.New({
  serviceEndpoint: root,
  credential: { username: user, password },
  // The library sends no version; without this the server may take it for a client of v3.
  commonHeaders: { MaxDataServiceVersion: '2.0' },
});
const products = client.getEntitySet('Products');
const names = (found) => found.map((one) => one.Name);
let made;

step('read a set', async () => {
  assert.deepEqual(names(await client.getEntitySet('Categories').query()), ['Ropes', 'Lamps', 'Empty shelf']);
});

step('filter, order, page and count', async () => {
  const [from, to] = [new Date(Date.UTC(2010, 0, 1)), new Date(Date.UTC(2014, 5, 1))];
  const filter = client.newFilter().field('Price').gt(60).betweenDateTime('Released', from, to);
  const found = await products.query(client.newOptions().filter(filter).orderby('Price', 'desc').select(['Name']));
  assert.deepEqual(names(found), ['Fog lamp', 'Deck lamp']);
  assert.deepEqual(names(await products.query(client.newOptions().orderby('Id', 'asc').skip(2).top(2))), ['Cord', 'Deck lamp']);
  assert.equal(await products.count(client.newFilter().field('Stock').gt(50)), 3);
  assert.deepEqual((await products.find({ Name: 'Cord', Stock: 900 })).map((one) => Number(one.Id)), [3]);
});

step('one entity', async () => {
  const found = await products.retrieve(4);
  assert.deepEqual([found.Name, Number(found.Price), found.Released], ['Deck lamp', 120, '/Date(1388534399999)/']);
  const reading = await client.getEntitySet('Readings').retrieve({ PartitionKey: 'south', RowKey: '001' });
  assert.equal(reading.Note, "it's hot");
});

step('expand', async () => {
  const found = await client.getEntitySet('Orders').retrieve(1, client.newOptions().expand(['Lines/Product']));
  assert.deepEqual(names(found.Lines.results.map((line) => line.Product)), ['Anchor rope', 'Deck lamp']);
});

step('create', async () => {
  made = await products.create({ Name: 'Kite', Price: '9.90', Released: '/Date(1430784000000)/' });
  assert.deepEqual([made.Name, made.Stock, made.Released], ['Kite', 0, '/Date(1430784000000)/']);
});

step('update', async () => {
  await products.update(RawValue.from(made.Id), { Stock: 5 });
  const found = await products.retrieve(RawValue.from(made.Id));
  assert.deepEqual([found.Name, found.Stock], ['Kite', 5]);
});

step('batch', async () => {
  const label = (code) => ({ Code: code, Text: 'light' });
  const answers = await client.execBatchRequests([
    client.newBatchRequest({ collection: 'Categories', method: 'GET' }),
    client.newBatchRequest({ collection: 'Labels', method: 'POST', entity: label('Ä1'), withContentLength: true }),
    client.newBatchRequest({ collection: 'Labels', method: 'POST', entity: label('wet') }),
    client.newBatchRequest({ collection: 'Labels', method: 'DELETE', id: 'sale' }),
    client.newBatchRequest({ collection: 'Labels', method: 'GET' }),
  ]);
  assert.deepEqual(answers.map((answer) => answer.status), [200, 201, 409, 204, 200]);
  assert.equal((await answers[0].json()).d.results.length, 3);
  assert.ok((await answers[2].json()).error.message.value.length > 10, 'a message');
  assert.deepEqual((await answers[4].json()).d.results.map((one) => one.Code).sort(), ['new', 'wet', 'Ä1']);
});

step('delete', async () => {
  await products.delete(RawValue.from(made.Id));
  await failure(() => products.retrieve(RawValue.from(made.Id)));
});

step('errors', async () => {
  const missing = await failure(() => products.retrieve(4711));
  assert.ok(missing.message.length > 10, missing.message);
  const wrong = await failure(() => products.query(client.newFilter().field('Nope').eq(1)));
  contains(wrong.message, 'Nope');
});

tell();
