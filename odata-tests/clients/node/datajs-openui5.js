// datajs 1.1.2 as OpenUI5 ships it, with SAP's changes: everything in JSON light with full metadata, then in verbose JSON, then in Atom.
'use strict';

const fs = require('node:fs');
const vm = require('node:vm');

require('./window.js');
// A plain script, not a module: it wants the global object for `this`.
const file = require.resolve('@openui5/sap.ui.core/src/sap/ui/thirdparty/datajs.js');
vm.runInThisContext(fs.readFileSync(file, 'utf8'), { filename: file });
const story = require('./datajs-story.js');
const { tell } = require('./story.js');

story('json');
story('verbose', 'application/json;odata=verbose', 'application/json;odata=verbose');
story('atom', 'application/atom+xml,application/xml;q=0.9', 'application/atom+xml');
tell();
