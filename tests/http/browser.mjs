// Chromium's own EventSource on a session whose streams end early: from the server's own pages, from the console's origin, and from
// a foreign origin. Usage: node browser.mjs SERVER REPOSITORY PULL_REQUEST [PICTURES]; prints a line for each.

import { createServer } from 'node:http';
import { mkdirSync } from 'node:fs';
import { chromium } from 'playwright-core';

const [address, repository, pull, pictures] = process.argv.slice(2);
const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'];

const blank = (port) => new Promise((resolve) => {
  const server = createServer((_, answer) => answer.setHeader('content-type', 'text/html').end('<!doctype html><title>t</title>'));
  server.listen(port, '127.0.0.1', () => resolve(server));
});

// Runs in the page: collects what EventSource delivers until it closes. With the first live text it posts to `cancel`, if given.
const watch = ([url, timeout, cancel]) => new Promise((resolve) => {
  const seen = [];
  const texts = [];
  let opened = 0;
  const source = new EventSource(url);
  source.onopen = () => { opened += 1; };
  source.onmessage = (event) => { if (event.data.includes('"id":')) seen.push(Number(event.lastEventId)); };
  source.addEventListener('delta', (event) => {
    if (texts.push({ ...JSON.parse(event.data), lastEventId: event.lastEventId }) === 1 && cancel) {
      fetch(cancel, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });
    }
  });
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) resolve({ seen, texts, opened, stopped: true });
  };
  setTimeout(() => resolve({ seen, texts, opened, stopped: false }), timeout);
});

// Runs in a page of a foreign origin: a request as our clients send it, requests that need no CORS preflight, and a form.
const post = async (url) => {
  const body = '{"repoUrl":"/nowhere","prompt":"Do it."}';
  const asked = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    .then((answer) => `answered ${answer.status}`, () => 'refused');
  await fetch(url, { method: 'POST', mode: 'no-cors', headers: { 'content-type': 'text/plain' }, body }).catch(() => {});
  await fetch(url, { method: 'POST', mode: 'no-cors', body: new URLSearchParams({ repoUrl: '/nowhere' }) }).catch(() => {});
  navigator.sendBeacon(url, new Blob([body], { type: 'text/plain' }));
  return asked;
};

const request = async (path, body) => {
  const headers = { accept: 'application/json', 'content-type': 'application/json' };
  const answer = await fetch(address + path, { headers, ...(body && { method: 'POST', body: JSON.stringify(body) }) });
  return answer.json();
};

// Starts the session when its page is loaded, so that the page reads it from the beginning and is cut off while it works.
const readSession = async (tab, prompt, cancelled) => {
  const { id } = await request('/code', { repoUrl: repository, prompt });
  const session = `${address}/sessions/${id}`;
  const result = await tab.evaluate(watch, [`${session}/events`, 120_000, cancelled && `${session}/cancel`]);
  const { events, done } = await request(`/sessions/${id}/events?limit=1000`);
  // The stream ends with the run; the removal of its sandbox is recorded after that.
  const total = events.findLastIndex((event) => event.kind === 'run.finished') + 1;
  const whole = result.seen.length === total && result.seen.every((number, place) => number === place + 1);
  if (!whole || !result.stopped || !done) fail(`${result.seen.length} of ${total} events, stopped: ${result.stopped}, over: ${done}`);
  return { ...result, url: `${session}/events` };
};

const fail = (words) => { console.error(`browser: ${words}`); process.exitCode = 1; };

const console5173 = await blank(5173);
const foreign = await blank(0);
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', headless: true, args: flags });
try {
  let url;
  for (const [name, page] of [['its own page', `${address}/health`], ['the console', 'http://localhost:5173/']]) {
    const tab = await browser.newPage();
    await tab.goto(page);
    const result = await readSession(tab, 'Do it.');
    url = result.url;
    if (result.opened < 3) fail(`from ${name}: ${result.opened} connections only, so hardly any stream was cut`);
    console.log(`browser: EventSource from ${name} saw ${result.seen.length} events exactly once and in order over ${result.opened} connections, and stopped`);
    const { texts } = await readSession(tab, `Stall for ${name}.`, 'cancelled');
    const right = ({ offset, text, turn, lastEventId }) => offset === 0 && turn === 1 && lastEventId !== '' && /^(Word )+/.test(text);
    if (!texts.length || !texts.every(right)) fail(`from ${name}: live text is ${JSON.stringify(texts).slice(0, 300)}`);
    console.log(`browser: EventSource from ${name} saw a reply while it was written, ${texts.length} times`);
    await tab.close();
  }
  const tab = await browser.newPage();
  const sessions = async () => JSON.stringify((await (await fetch(`${address}/sessions`)).json()).sessions.map((one) => one.id));
  const before = await sessions();
  for (const host of ['127.0.0.1', 'evil.localhost']) {
    await tab.goto(`http://${host}:${foreign.address().port}/`);
    const { seen, stopped } = await tab.evaluate(watch, [url, 10_000]);
    if (seen.length || !stopped) fail(`a foreign page saw ${seen.length} events`);
    const answer = await tab.evaluate(post, `${address}/code`);
    if (answer !== 'refused') fail(`a foreign page was ${answer}`);
    // A foreign host name that resolves to this machine.
    const named = address.replace('127.0.0.1', 'evil.localhost');
    const shown = await tab.goto(`${named}/sessions`).then((response) => response.status(), () => 0);
    if (shown !== 403) fail(`under a foreign host name the server answered ${shown}`);
  }
  if (await sessions() !== before) fail('a foreign page started a session');
  console.log('browser: pages of other origins saw no event and started no session');
  if (pictures) {
    mkdirSync(pictures, { recursive: true });
    // A new tab, so that errors of the refused pages are not counted.
    const tab = await browser.newPage();
    const failures = [];
    tab.on('console', (message) => { if (message.type() === 'error') failures.push(message.text()); });
    tab.on('requestfailed', (request) => failures.push(request.url()));
    for (const [name, page] of [['front', '/'], ['docs', '/docs/'], ['pull', pull]]) {
      await tab.goto(new URL(page, address).href, { waitUntil: 'networkidle' });
      if (name === 'docs') await tab.waitForSelector('.opblock');
      await tab.screenshot({ path: `${pictures}/${name}.png`, fullPage: false });
    }
    if (failures.length) fail(`pages complain: ${failures.join('; ')}`);
    console.log('browser: front page, documents and a pull request load without a complaint');
  }
} finally {
  await browser.close();
  console5173.close();
  foreign.close();
}
