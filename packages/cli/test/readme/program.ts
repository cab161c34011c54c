import { openModel, reportTable, showLiveTree } from '@troupe/cli';
import { createRuntime, defineAgent } from '@troupe/core';

const model = await openModel();
console.log(model.notice);

const runtime = createRuntime({ provider: model.provider, model: model.name, pricing: model.pricing });
const run = runtime.start(defineAgent({ name: 'helper', instructions: 'Be brief.' }), 'What can you do?');
const view = showLiveTree(run.events$);
const report = await run.ended;
await view.done;

console.log(report.text);
console.log(reportTable(view.tree));
await model.close();
