import { testReading } from '../../../../test/support/growth.ts';
import { openTree } from '../../src/tree/tree.ts';

testReading('a tree grows', (events) => {
  const growing = openTree();
  for (const event of events) growing.take(event);
  return growing.tree;
});
