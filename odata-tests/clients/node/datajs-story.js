// The story that both versions of datajs are told.
'use strict';

const { assert, authorization, contains, failure, root, step } = require('./story.js');
const { DOMParser, OData } = globalThis;

/** A request as a promise; the headers are the library's own but for the credentials and what is given. */
function request(method, path, data, headers = {}, handler = undefined, metadata = undefined) {
  const what = {
    requestUri: path.startsWith('http') ? path : root + path,
    method,
    headers: { Authorization: authorization, ...headers },
    data,
  };
  return new Promise((resolve, reject) => {
    OData.request(what, (result, response) => resolve({ data: result, response }), reject, handler, undefined, metadata);
  });
}

const read = (path, headers) => request('GET', path, undefined, headers);
const names = (found) => found.data.results.map((product) => product.Name);

/** The library hands over an error's body as it came. */
function messageOf({ response: { body } }) {
  if (body.trimStart().startsWith('<')) {
    return new DOMParser().parseFromString(body, 'text/xml').getElementsByTagName('m:message')[0].textContent;
  }
  const answer = JSON.parse(body);
  return (answer.error ?? answer['odata.error']).message.value;
}

let metadata;

step('service document', async () => {
  const { data } = await read('');
  const sets = data.workspaces[0].collections.map((collection) => collection.href.replace(root, '')).sort();
  assert.deepEqual(sets, ['Categories', 'Labels', 'Memos', 'OrderLines', 'Orders', 'Products', 'Readings']);
});

step('metadata', async () => {
  metadata = (await request('GET', '$metadata', undefined, {}, OData.metadataHandler)).data;
  const schemas = metadata.dataServices.schema.map((schema) => schema.namespace).sort();
  assert.deepEqual(schemas, ['Default', 'Odonata.Core', 'Odonata.Trade']);
});

/** The story in one format: what the library is to ask for, and what it is to write. */
function story(format, accept, contentType) {
  const reads = accept ? { Accept: accept } : {};
  const writes = contentType ? { ...reads, 'Content-Type': contentType } : reads;
  // Atom entries have no types but those of the metadata.
  const change = (method, path, data) => request(method, path, data, writes, undefined, metadata);
  let made;

  step(`${format}: read a set`, async () => {
    const { data } = await read('Categories', reads);
    assert.deepEqual(data.results.map((one) => [Number(one.Id), one.Name, one.Note]), [[1, 'Ropes', 'hemp and nylon'], [2, 'Lamps', null], [3, 'Empty shelf', '']]);
    contains(data.results[0].__metadata.uri, 'Categories(1)');
    assert.equal(data.results[0].__metadata.type, 'Odonata.Trade.Category');
    contains(data.results[0].Products.__deferred.uri, 'Categories(1)/Products');
  });

  step(`${format}: filter, order, select and count`, async () => {
    const found = await read("Products?$filter=Price gt 60M and substringof('lamp',Name)&$orderby=Price desc&$select=Name&$inlinecount=allpages", reads);
    assert.deepEqual(names(found), ['Fog lamp', 'Deck lamp', 'Engine lamp']);
    assert.equal(Number(found.data.__count), 3);
  });

  step(`${format}: page by next links`, async () => {
    const pages = [];
    for (let next = 'Products'; next; ) {
      const { data } = await read(next, reads);
      pages.push(data.results.map((one) => Number(one.Id)));
      next = data.__next;
    }
    assert.deepEqual(pages, [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]);
  });

  step(`${format}: one entity`, async () => {
    const { data } = await request('GET', 'Products(4L)', undefined, reads, undefined, metadata);
    assert.deepEqual([data.Name, Number(data.Price), Number(data.Stock)], ['Deck lamp', 120, 2]);
    assert.equal(data.Released.getTime(), Date.UTC(2013, 11, 31, 23, 59, 59, 999));
    const reading = await read("Readings(PartitionKey='south',RowKey='001')", reads);
    assert.equal(reading.data.Note, "it's hot");
    assert.ok(reading.data.__metadata.etag, 'an ETag');
  });

  step(`${format}: expand`, async () => {
    const { data } = await read('Orders(1)?$expand=Lines/Product', reads);
    assert.deepEqual(data.Lines.results.map((line) => line.Product.Name), ['Anchor rope', 'Deck lamp']);
    const nothing = await read('Products(7)?$expand=Category', reads);
    assert.ok(nothing.data.Category === null || Object.keys(nothing.data.Category).length === 0, 'no category');
  });

  step(`${format}: create`, async () => {
    const product = { Name: 'Kite', Price: '9.90', Weight: 0.5, Stock: 3, Released: new Date(Date.UTC(2015, 4, 5)) };
    const { data, response } = await change('POST', 'Products', { __metadata: { type: 'Odonata.Trade.Product' }, ...product });
    assert.equal(response.statusCode, 201);
    assert.deepEqual([data.Name, Number(data.Price), Number(data.Stock)], ['Kite', 9.9, 3]);
    made = data.__metadata.uri;
  });

  step(`${format}: update`, async () => {
    const type = { __metadata: { type: 'Odonata.Trade.Product' } };
    await change('MERGE', made, { ...type, Stock: 5 });
    assert.deepEqual(await summary(made), ['Kite', 5, 9.9]);
    await change('PUT', made, { ...type, Name: 'Kite 2', Stock: 6 });
    assert.deepEqual(await summary(made), ['Kite 2', 6, 0]);
    const { data } = await read(made, reads);
    data.Stock = 7;
    await change('MERGE', data.__metadata.uri, data);
    assert.deepEqual(await summary(made), ['Kite 2', 7, 0]);
  });

  async function summary(uri) {
    const { data } = await read(uri, reads);
    return [data.Name, Number(data.Stock), Number(data.Price)];
  }

  step(`${format}: links`, async () => {
    const linked = async () => (await read(`${made}/Labels`, reads)).data.results.map((label) => label.Code);
    await request('POST', `${made}/$links/Labels`, { uri: `${root}Labels('wet')` }, { 'Content-Type': 'application/json' });
    assert.deepEqual(await linked(), ['wet']);
    await request('DELETE', `${made}/$links/Labels('wet')`);
    assert.deepEqual(await linked(), []);
    await request('PUT', `${made}/$links/Category`, { uri: `${root}Categories(2)` }, { 'Content-Type': 'application/json' });
    assert.equal((await read(`${made}/Category`, reads)).data.Name, 'Lamps');
    const { data } = await read('Products(1)/$links/Labels');
    assert.deepEqual(data.results.map((link) => link.uri.replace(root, '')).sort(), ["Labels('new')", "Labels('wet')"]);
  });

  step(`${format}: batch`, async () => {
    const label = (code) => ({ __metadata: { type: 'Odonata.Trade.Label' }, Code: code, Text: format });
    const part = (method, requestUri, data, more = {}) => ({ method, requestUri, data, headers: { ...writes, ...more } });
    const { data } = await batch([
      { method: 'GET', requestUri: 'Categories', headers: reads },
      {
        __changeRequests: [
          part('POST', 'Labels', label(`${format}-1`), { 'Content-ID': '1' }),
          part('POST', 'Labels', label(`${format}-2`), { 'Content-ID': '2' }),
          part('DELETE', `Labels('${format}-1')`, undefined, { 'Content-ID': '3' }),
          part('MERGE', '$2', { __metadata: { type: 'Odonata.Trade.Label' }, Text: 'merged' }, { 'Content-ID': '4' }),
        ],
      },
      { method: 'GET', requestUri: `Labels('${format}-2')`, headers: reads },
    ]);
    const [categories, changes, changed] = data.__batchResponses;
    assert.equal(categories.data.results.length, 3);
    assert.deepEqual(changes.__changeResponses.map((answer) => Number(answer.statusCode)), [201, 201, 204, 204]);
    assert.equal(changed.data.Text, 'merged');
  });

  step(`${format}: a batch that fails is undone`, async () => {
    const label = (code) => ({ __metadata: { type: 'Odonata.Trade.Label' }, Code: code, Text: format });
    const { data } = await batch([
      {
        __changeRequests: [
          { method: 'POST', requestUri: 'Labels', data: label('lost'), headers: { ...writes, 'Content-ID': '1' } },
          { method: 'POST', requestUri: 'Labels', data: label('wet'), headers: { ...writes, 'Content-ID': '2' } },
        ],
      },
    ]);
    const answer = data.__batchResponses[0];
    const error = (answer.__changeResponses ?? [answer])[0];
    assert.equal(Number(error.response.statusCode), 409);
    assert.ok(messageOf(error).length > 10, 'a message');
    assert.equal((await failure(() => read("Labels('lost')", reads))).response.statusCode, 404);
  });

  function batch(parts) {
    return request('POST', '$batch', { __batchRequests: parts }, {}, OData.batchHandler, metadata);
  }

  step(`${format}: delete`, async () => {
    const { response } = await request('DELETE', made);
    assert.equal(response.statusCode, 204);
    assert.equal((await failure(() => read(made, reads))).response.statusCode, 404);
    await request('DELETE', `Labels('${format}-2')`);
  });

  step(`${format}: errors`, async () => {
    const missing = await failure(() => read('Products(4711)', reads));
    assert.equal(missing.response.statusCode, 404);
    const wrong = await failure(() => read('Products?$filter=Nope eq 1', reads));
    assert.equal(wrong.response.statusCode, 400);
    contains(messageOf(wrong), 'Nope');
  });
}

module.exports = story;
