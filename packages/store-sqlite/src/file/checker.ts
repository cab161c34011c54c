/** The program that checks a large file while others work with it. Says what is wrong with it, or nothing. */
import { connectReader } from './connect.ts';
import { damageIn } from './damage.ts';

const [, , path = ''] = process.argv;
const db = connectReader(path);
const damage = damageIn(db);
db.close();
process.send?.({ damage }, () => process.disconnect());
