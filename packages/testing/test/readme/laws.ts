import assert from 'node:assert/strict';
import type { RunEvent } from '@troupe/protocol';
import { checkRunLaws } from '@troupe/testing';

export const expectLawful = (events: readonly RunEvent[]) => assert.deepEqual(checkRunLaws(events), []);
