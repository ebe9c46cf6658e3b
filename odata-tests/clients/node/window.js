// What libraries made for browsers look for, as far as Node lacks it.
'use strict';

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
