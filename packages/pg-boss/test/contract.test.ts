import { placementContract } from '@troupe/testing/contracts';
import { beside, openFresh } from './open.ts';

const silent = { warn() {}, error() {} };
placementContract('pgBoss', () => openFresh({ logger: silent }), { time: 'real', beside });
