import { memoryStoreContract, runStoreContract } from '@troupe/testing/contracts';
import { openRecycler, reopen } from './schemas.ts';

const { open, close } = await openRecycler();
runStoreContract('postgresStore', open, { close, reopen });
memoryStoreContract('postgresStore', () => open(), { close, reopen });
