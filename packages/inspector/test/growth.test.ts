import { testReading } from '../../../test/support/growth.ts';
import { openConversation } from '../src/runs/conversation.ts';
import { openRunTable } from '../src/runs/run-table.ts';

testReading('rows are kept', (events) => {
  const table = openRunTable();
  for (const event of events) table.take(event);
  return table.lines();
});

testReading('the conversation that is looked at is kept', (events) => {
  const conversation = openConversation();
  for (const event of events) if (event.parentId === undefined) conversation.take(event);
  return conversation.news();
});
