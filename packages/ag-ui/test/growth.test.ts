import { testReading } from '../../../test/support/growth.ts';
import { openTranslation } from '../src/translation.ts';

testReading('AG-UI events are told', (events) => {
  const { hear } = openTranslation();
  for (const event of events) for (const _ of hear(event));
});
