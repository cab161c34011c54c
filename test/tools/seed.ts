// Properties try the same cases in every `npm test`: what turns it red is the change that was made. `npm run soak` tries new ones,
// and a failing property prints the seed that plays it again.
import fc from 'fast-check';

fc.configureGlobal({ seed: Number(process.env.PROPERTY_SEED ?? 1) });
