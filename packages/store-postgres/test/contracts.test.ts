import { memoryStoreContract, runStoreContract } from '@troupe/testing/contracts';
import type { PostgresStore } from '../src/index.ts';
import { openFresh, reopen } from './schemas.ts';

const close = (store: PostgresStore) => store.close();
runStoreContract('postgresStore', ({ now }) => openFresh({ now }), { close, reopen });
memoryStoreContract('postgresStore', () => openFresh(), { close, reopen });
