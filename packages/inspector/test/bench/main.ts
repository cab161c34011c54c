// node packages/inspector/test/bench/main.ts [--json] [--runs 10000] [--rate 5000] [--seconds 8]
//
// What looking costs: the same program with nobody who looks, with our page in a real browser, and with the WebSocket inspector of
// @statelyai/inspect. CPU is that of the program; frames are those of the page.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { chromium, type Page } from 'playwright-core';
import { WebSocketServer } from 'ws';
import { browserPath, FLAGS } from '../page/browser-path.ts';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    runs: { type: 'string', default: '10000' },
    rate: { type: 'string', default: '5000' },
    seconds: { type: 'string', default: '8' },
  },
});
const seconds = Number(values.seconds);

type Spent = { cpu: number; eventsPerSecond: number; lagP99Ms: number; heapMb: number };
type Frames = { fps: number; p95Ms: number; worstMs: number; nodes: number; heapMb: number };

/** Starts the program, and gives a way to ask it what it has spent. */
const start = async (mode: string, url = '') => {
  const path = fileURLToPath(new URL('program.ts', import.meta.url));
  const child = spawn(process.execPath, ['--max-old-space-size=4096', path, mode, values.runs, values.rate, url], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<unknown> => JSON.parse((await lines.next()).value ?? 'null');
  const ready = (await next()) as { url?: string };
  return {
    url: ready.url,
    spent: async (): Promise<Spent> => {
      child.stdin.write('\n');
      return (await next()) as Spent;
    },
    stop: () => {
      child.stdin.end();
      child.kill('SIGKILL');
    },
  };
};

const framesOf = (page: Page): Promise<Frames> =>
  page.evaluate(`new Promise((resolve) => {
    const times = [];
    const from = performance.now();
    let last = from;
    const tick = (now) => {
      times.push(now - last);
      last = now;
      if (now - from < ${seconds * 1_000}) return requestAnimationFrame(tick);
      times.shift();
      const sorted = times.toSorted((a, b) => a - b);
      resolve({
        fps: times.length / ((now - from) / 1000),
        p95Ms: sorted[Math.floor(sorted.length * 0.95)],
        worstMs: sorted.at(-1),
        nodes: document.querySelectorAll('*').length,
        heapMb: (performance.memory?.usedJSHeapSize ?? 0) / 1e6,
      });
    };
    requestAnimationFrame(tick);
  })`);

const results: Record<string, unknown> = {};
const say = (what: string, { cpu, eventsPerSecond, lagP99Ms, heapMb }: Spent, more = '') => {
  const rate = Math.round(eventsPerSecond).toLocaleString('en');
  if (!values.json)
    console.log(
      `${what.padEnd(30)} ${(cpu * 100).toFixed(0).padStart(4)} % CPU   ${rate} events/s   loop p99 ${lagP99Ms.toFixed(0)} ms   heap ${heapMb.toFixed(0)} MB ${more}`,
    );
};

const measureAlone = async () => {
  const program = await start('none');
  await program.spent();
  await sleep(seconds * 1_000);
  const spent = await program.spent();
  program.stop();
  say('nobody looks', spent);
  return spent;
};

const measurePage = async () => {
  const program = await start('page');
  const browser = await chromium.launch({ executablePath: browserPath ?? '', args: FLAGS });
  const page = await browser.newPage({ viewport: { width: 1_280, height: 800 } });
  await page.goto(program.url ?? '');
  await page.locator('.rows [role=row]').first().waitFor();
  const spents: Record<string, { spent: Spent; frames: Frames }> = {};
  for (const tab of ['Chart', 'Conversation', 'Timeline', 'Sequence', 'Events']) {
    await page.getByRole('tab', { name: tab }).click();
    await sleep(500);
    await program.spent();
    const frames = await framesOf(page);
    const spent = await program.spent();
    spents[tab] = { spent, frames };
    const { fps, p95Ms, worstMs, nodes, heapMb } = frames;
    say(
      `our page, ${tab}`,
      spent,
      `| page: ${fps.toFixed(0)} frames/s, p95 ${p95Ms.toFixed(0)} ms, worst ${worstMs.toFixed(0)} ms, ${nodes} nodes, ${heapMb.toFixed(0)} MB`,
    );
  }
  await browser.close();
  program.stop();
  return spents;
};

const measureStately = async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  const address = server.address();
  let bytes = 0;
  server.on('connection', (socket) =>
    socket.on('message', (data) => {
      bytes += (data as Buffer).length;
    }),
  );
  const program = await start('stately', `ws://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`);
  await program.spent();
  bytes = 0;
  await sleep(seconds * 1_000);
  const spent = await program.spent();
  program.stop();
  server.close();
  say('@statelyai/inspect, WebSocket', spent, `| ${(bytes / 1e6 / seconds).toFixed(1)} MB/s`);
  return { spent, mbPerSecond: bytes / 1e6 / seconds };
};

if (browserPath === undefined) throw new Error('There is no browser here: install Chromium, or @sparticuz/chromium.');
if (!values.json) console.log(`${values.runs} runs, ${values.rate} events a second, ${seconds} s each`);
results.alone = await measureAlone();
results.page = await measurePage();
results.stately = await measureStately();
if (values.json) console.log(JSON.stringify(results, null, 2));
process.exit(0);
