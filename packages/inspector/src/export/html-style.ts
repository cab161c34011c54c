import { html } from './markup.ts';

/** How an exported page looks, light and dark. */
export const style = html`
:root { color-scheme: light dark; --line: light-dark(#d0d5dd, #3a4150); --soft: light-dark(#f5f6f8, #1b1f27);
  --dim: light-dark(#5b6472, #a3adbd); --accent: light-dark(#1d5fd1, #7fb0ff); --good: light-dark(#0f7a3d, #5fd08f);
  --bad: light-dark(#b3261e, #ff8f86); --wait: light-dark(#8a5a00, #f0c05a); }
* { box-sizing: border-box; }
body { overflow-wrap: anywhere; margin: 0 auto; max-width: 72rem; padding: 1.5rem; font: 15px/1.5 system-ui, sans-serif;
  background: light-dark(#fff, #12151b); color: light-dark(#1a1f29, #e6e9ef); }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
a { color: var(--accent); } .dim { color: var(--dim); }
pre { margin: .25rem 0; padding: .5rem .75rem; background: var(--soft); border-radius: 6px; white-space: pre-wrap;
  overflow-wrap: anywhere; font: 13px/1.45 ui-monospace, monospace; }
details { margin: .35rem 0; } summary { cursor: pointer; overflow-wrap: anywhere; }
details.run { border: 1px solid var(--line); border-radius: 8px; padding: .5rem .75rem; }
details.run > summary { font-weight: 600; } summary .dim { font-weight: 400; }
.status { border: 1px solid currentcolor; border-radius: 1rem; padding: 0 .5rem; font-size: .8rem; font-weight: 400; color: var(--dim); }
.completed, .ok { color: var(--good); } .failed, .error, .refused { color: var(--bad); } .interrupted, .paused { color: var(--wait); }
.entry { margin: .6rem 0; } .entry > h3 { margin: 0; font-size: .85rem; color: var(--dim); }
.timeline { display: grid; grid-template-columns: minmax(4rem, 14rem) minmax(0, 1fr); gap: .2rem .75rem; align-items: center; }
.timeline a { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.lane { position: relative; height: 1rem; background: var(--soft); border-radius: 4px; }
.bar, .call { position: absolute; top: 0; height: 100%; min-width: 2px; border-radius: 4px; background: var(--dim); opacity: .45; }
.bar.completed { background: var(--good); } .bar.failed { background: var(--bad); }
.bar.interrupted, .bar.paused { background: var(--wait); }
.call { top: 30%; height: 40%; background: var(--accent); opacity: .9; }
`;
