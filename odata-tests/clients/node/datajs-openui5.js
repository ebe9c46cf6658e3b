// datajs 1.1.2 as OpenUI5 ships it, with SAP's changes: everything in JSON light with full metadata, then in verbose JSON, then in Atom.
'use strict';

const { script } = require('./window.js');
script('@openui5/sap.ui.core/src/sap/ui/thirdparty/datajs.js');
const story = require('./datajs-story.js');
const { tell } = require('./story.js');

story('json');
story('verbose', 'application/json;odata=verbose', 'application/json;odata=verbose');
story('atom', 'application/atom+xml,application/xml;q=0.9', 'application/atom+xml');
tell();
