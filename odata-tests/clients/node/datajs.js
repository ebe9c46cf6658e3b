// Microsoft's datajs 1.0.3: everything in verbose JSON, then the same in Atom.
'use strict';

require('./window.js');
require('datajs');
const story = require('./datajs-story.js');
const { tell } = require('./story.js');

story('json');
story('atom', 'application/atom+xml,application/xml;q=0.9', 'application/atom+xml');
tell();
