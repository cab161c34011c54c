import { testReading } from '../../../../test/support/growth.ts';
import { checkRunLaws } from '../../src/index.ts';

testReading('laws are checked', checkRunLaws);
