// The view `ag-ui`, checked by AG-UI's own client: its parser, its schema of every event, and its check of their order.
// Usage: node ag_ui.mjs STREAM_URL…; prints how many events there were.

import { readFileSync } from 'node:fs';
import { enforceEvents, isRecognizedEvent, runHttpRequest, transformHttpEventStream, verifyEvents } from '@ag-ui/client';
import { EventSchemas } from '@ag-ui/core/schemas';

let failed = false;
let accepted = 0;
const all = new Set();
for (const address of process.argv.slice(2)) {
  const events = [];
  const stream = transformHttpEventStream(runHttpRequest(() => fetch(address))).pipe(enforceEvents(), verifyEvents());
  await new Promise((resolve) => {
    stream.subscribe({
      next: (event) => events.push(event),
      error: (error) => {
        failed = true;
        console.error(`ag-ui: refused after ${events.length} events: ${error.message}`);
        resolve();
      },
      complete: resolve,
    });
  });
  // The events as they were sent: the client above is lenient, the schemas here are strict.
  const text = await (await fetch(address)).text();
  const sent = text.split('\n').filter((line) => line.startsWith('data: ')).map((line) => JSON.parse(line.slice(6)));
  for (const event of sent) {
    const parsed = EventSchemas.safeParse(event);
    if (!parsed.success || !isRecognizedEvent(event)) {
      failed = true;
      console.error(`ag-ui: not an event: ${JSON.stringify(event).slice(0, 300)} ${JSON.stringify(parsed.error?.issues).slice(0, 300)}`);
    }
  }
  const kinds = new Set(events.map((event) => event.type));
  if (events.length !== sent.length || events.at(-1)?.type !== 'RUN_FINISHED' || events[0]?.type !== 'RUN_STARTED') {
    failed = true;
    console.error(`ag-ui: ${events.length} of ${sent.length} events came through, the last is ${events.at(-1)?.type}`);
  }
  accepted += events.length;
  kinds.forEach((kind) => all.add(kind));
}
const version = JSON.parse(readFileSync(new URL('./package.json', import.meta.url))).dependencies['@ag-ui/client'];
console.log(`ag-ui: ${process.argv.length - 2} streams with ${accepted} events of ${all.size} types, checked by @ag-ui/client ${version}`);
process.exit(failed ? 1 : 0);
