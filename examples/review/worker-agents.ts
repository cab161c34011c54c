// troupe worker --agents examples/review/worker-agents.ts
//
// The agents of a review, for workers: children are made again of what is stored by the lead's own tool. The folder comes in
// REVIEW_FOLDER, and with REVIEW_PARENT the worker ends with that process, however it ends.
import { leadAgent } from './agents.ts';
import { Folder } from './folder.ts';
import { fileTools } from './tools.ts';

const { REVIEW_FOLDER = '.', REVIEW_PARENT } = process.env;

if (REVIEW_PARENT !== undefined)
  setInterval(() => {
    if (process.ppid !== Number(REVIEW_PARENT)) process.exit(1);
  }, 200).unref();

export default { agent: leadAgent(fileTools(await Folder.open(REVIEW_FOLDER))) };
