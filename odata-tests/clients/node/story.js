// What every program here shares: where the server is, the steps of a story, and how they are reported.
'use strict';

const assert = require('node:assert/strict');

const client = require('node:path').basename(process.argv[1], '.js');
const root = process.env.ODATA_ROOT;
const user = process.env.ODATA_USER;
const password = process.env.ODATA_PASSWORD;
const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

/** Longest time for one step, in milliseconds. */
const PATIENCE = 20000;

const steps = [];

/** Adds a step: a function that throws, or whose promise fails, when something is not as it should be. */
function step(name, run) {
  steps.push({ name, run });
}

/** Runs the steps in order, a line for each; the exit status is 1 when one failed. */
async function tell() {
  let failed = false;
  for (const { name, run } of steps) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error('no answer')), PATIENCE);
    });
    try {
      await Promise.race([run(), late]);
      console.log(`ok ${client} ${name}`);
    } catch (error) {
      failed = true;
      console.log(`FAILED ${client} ${name}: ${describe(error)}`);
    } finally {
      clearTimeout(timer);
    }
  }
  process.exit(failed ? 1 : 0);
}

function describe(error) {
  const answer = error?.response && `${error.response.statusCode} ${error.response.body}`;
  const text = error instanceof Error ? error.stack : answer || JSON.stringify(error);
  return String(text).split('\n').slice(0, 12).join(' / ').slice(0, 2000);
}

/** Fails unless `run` fails; gives what it failed with. */
async function failure(run) {
  let result;
  try {
    result = await run();
  } catch (error) {
    return error;
  }
  throw new Error(`no failure but ${JSON.stringify(result)}`);
}

/** Fails when `text` does not contain `part`. */
function contains(text, part) {
  assert.ok(String(text).includes(part), `no ${JSON.stringify(part)} in ${JSON.stringify(text)}`);
}

module.exports = { assert, authorization, client, contains, failure, password, root, step, tell, user };
