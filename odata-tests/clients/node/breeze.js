// Breeze 1.7.2 with its OData data service over Microsoft's datajs 1.0.3.
'use strict';

const { script } = require('./window.js');
require('datajs');
globalThis.Q = require('q');
script('breeze-client');
const story = require('./breeze-story.js');
const { tell } = require('./story.js');

story();
tell();
