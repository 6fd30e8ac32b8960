// Chromium's own EventSource on a session whose streams end early again and again: from the server's own pages, from the console's
// origin, and from a stranger's. Called with the server's address, a session, and how many events that has; prints a line for each.

import { createServer } from 'node:http';
import { mkdirSync } from 'node:fs';
import { chromium } from 'playwright-core';

const [address, session, total, pull, pictures] = process.argv.slice(2);
const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'];

const blank = (port) => new Promise((resolve) => {
  const server = createServer((_, answer) => answer.setHeader('content-type', 'text/html').end('<!doctype html><title>t</title>'));
  server.listen(port, '127.0.0.1', () => resolve(server));
});

// In the page: everything EventSource hands over, until it stops for good.
const watch = ([url, most]) => new Promise((resolve) => {
  const seen = [];
  let opened = 0;
  const source = new EventSource(url);
  source.onopen = () => { opened += 1; };
  source.onmessage = (event) => { if (event.data.includes('"id":')) seen.push(Number(event.lastEventId)); };
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) resolve({ seen, opened, stopped: true });
  };
  setTimeout(() => resolve({ seen, opened, stopped: false }), most);
});

// In a stranger's page: a request as a client of ours sends it, one that needs no leave, and a form.
const post = async (url) => {
  const body = '{"repoUrl":"/nowhere","prompt":"Do it."}';
  const asked = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    .then((answer) => `answered ${answer.status}`, () => 'refused');
  await fetch(url, { method: 'POST', mode: 'no-cors', headers: { 'content-type': 'text/plain' }, body }).catch(() => {});
  await fetch(url, { method: 'POST', mode: 'no-cors', body: new URLSearchParams({ repoUrl: '/nowhere' }) }).catch(() => {});
  navigator.sendBeacon(url, new Blob([body], { type: 'text/plain' }));
  return asked;
};

const fail = (words) => { console.error(`browser: ${words}`); process.exitCode = 1; };

const console5173 = await blank(5173);
const stranger = await blank(0);
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', headless: true, args: flags });
try {
  const url = `${address}/sessions/${session}/events`;
  const expected = Array.from({ length: Number(total) }, (_, n) => n + 1);
  for (const [name, page] of [['its own page', `${address}/health`], ['the console', 'http://localhost:5173/']]) {
    const tab = await browser.newPage();
    await tab.goto(page);
    const { seen, opened, stopped } = await tab.evaluate(watch, [url, 90_000]);
    const right = JSON.stringify(seen) === JSON.stringify(expected);
    if (!right || !stopped) fail(`from ${name}: ${seen.length} of ${total} events, stopped: ${stopped}`);
    console.log(`browser: EventSource from ${name} saw ${seen.length} events exactly once and in order over ${opened} connections, and stopped`);
    await tab.close();
  }
  const tab = await browser.newPage();
  const sessions = async () => JSON.stringify((await (await fetch(`${address}/sessions`)).json()).sessions);
  const before = await sessions();
  for (const host of ['127.0.0.1', 'evil.localhost']) {
    await tab.goto(`http://${host}:${stranger.address().port}/`);
    const { seen, stopped } = await tab.evaluate(watch, [url, 10_000]);
    if (seen.length || !stopped) fail(`a stranger's page saw ${seen.length} events`);
    const answer = await tab.evaluate(post, `${address}/code`);
    if (answer !== 'refused') fail(`a stranger's page was ${answer}`);
    // The stranger's name for this machine.
    const named = address.replace('127.0.0.1', 'evil.localhost');
    const shown = await tab.goto(`${named}/sessions`).then((response) => response.status(), () => 0);
    if (shown !== 403) fail(`under a stranger's name the server answered ${shown}`);
  }
  if (await sessions() !== before) fail('a stranger started something');
  console.log('browser: pages of strangers saw nothing and started nothing');
  if (pictures) {
    mkdirSync(pictures, { recursive: true });
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
  stranger.close();
}
