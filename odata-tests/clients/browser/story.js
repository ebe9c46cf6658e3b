// The browser's side of a story: the same functions as clients/node/story.js, lines as text of the page, and the page's text sent home at the end.
'use strict';

(() => {
  const given = new URLSearchParams(location.search);
  const user = given.get('user');
  const password = given.get('password');
  const page = document.createElement('pre');
  const steps = [];

  /** Longest time for one step, in milliseconds. */
  const PATIENCE = 20000;

  const assert = {
    ok(value, what) {
      if (!value) {
        throw new Error(`not ${what}`);
      }
    },
    equal(found, expected) {
      assert.deepEqual(found, expected);
    },
    deepEqual(found, expected) {
      assert.ok(JSON.stringify(found) === JSON.stringify(expected), `${JSON.stringify(found)} instead of ${JSON.stringify(expected)}`);
    },
  };

  async function failure(run) {
    let result;
    try {
      result = await run();
    } catch (error) {
      return error;
    }
    throw new Error(`no failure but ${JSON.stringify(result)}`);
  }

  function say(line) {
    page.append(`${line}\n`);
  }

  function describe(error) {
    const answer = error?.response && `${error.response.statusCode} ${error.response.body}`;
    const text = error instanceof Error ? error.stack : answer || JSON.stringify(error);
    return String(text).replaceAll('\n', ' / ').slice(0, 2000);
  }

  async function tell() {
    document.body.append(page);
    const client = location.pathname.split('/').pop().split('.')[0];
    for (const { name, run } of steps) {
      let timer;
      const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error('no answer')), PATIENCE);
      });
      try {
        await Promise.race([run(), late]);
        say(`ok ${client} ${name}`);
      } catch (error) {
        say(`FAILED ${client} ${name}: ${describe(error)}`);
      } finally {
        clearTimeout(timer);
      }
    }
    await fetch('/report', { method: 'POST', body: document.body.innerText });
  }

  window.addEventListener('error', ({ message, filename, lineno }) => {
    fetch('/report', { method: 'POST', body: `FAILED ${filename}:${lineno}: ${message}` });
  });
  window.addEventListener('unhandledrejection', ({ reason }) => {
    fetch('/report', { method: 'POST', body: `FAILED ${describe(reason)}` });
  });

  window.story = {
    assert,
    authorization: `Basic ${btoa(`${user}:${password}`)}`,
    contains: (text, part) => assert.ok(String(text).includes(part), `with ${JSON.stringify(part)}: ${text}`),
    failure,
    password,
    root: given.get('root'),
    step: (name, run) => steps.push({ name, run }),
    tell,
    user,
    /** Runs a file of clients/node here: whatever it requires is this. */
    async load(path) {
      const text = await (await fetch(path)).text();
      const module = {};
      new Function('module', 'require', text)(module, () => window.story);
      return module.exports;
    },
  };
})();
