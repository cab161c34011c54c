// npm run demo -- [--workers N] [PATH] ["question"] …, see examples/review/main.ts; with --team: examples/team/main.ts
const at = process.argv.indexOf('--team', 2);
if (at >= 0) process.argv.splice(at, 1);
await (at >= 0 ? import('../team/main.ts') : import('../review/main.ts'));
