// What libraries made for browsers look for, as far as Node lacks it.
'use strict';

const fs = require('node:fs');
const vm = require('node:vm');

const { DOMImplementation, DOMParser, XMLSerializer } = require('@xmldom/xmldom');
const XMLHttpRequest = require('xhr2');

const implementation = new DOMImplementation();
Object.assign(globalThis, { DOMParser, XMLHttpRequest, XMLSerializer });
globalThis.window = globalThis;
globalThis.document = { implementation };

// In a browser an attribute's `nodeValue` is its `value`; here they are two.
const attribute = implementation.createDocument(null, 'a').createAttribute('b');
Object.defineProperty(Object.getPrototypeOf(attribute), 'nodeValue', {
  get() {
    return this.value;
  },
  set(value) {
    this.value = value;
  },
});

/** Runs a file of a package as a page would: a plain script, whose `this` is the window. */
module.exports.script = (path) => {
  const file = require.resolve(path);
  vm.runInThisContext(fs.readFileSync(file, 'utf8'), { filename: file });
};
