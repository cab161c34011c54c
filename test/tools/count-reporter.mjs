/**
 * A vitest reporter that ends the run with one plain line that any CI can read: `12 passed, 0 failed, 1 skipped`.
 * Above it stand the skipped tests, with their reasons. A file that could not be loaded, and an error that no test caught,
 * count as failed, so that "0 failed" always means what it says.
 */
export default class CountReporter {
  /**
   * @param {ReadonlyArray<import('vitest/node').TestModule>} modules
   * @param {ReadonlyArray<unknown>} unhandledErrors
   */
  onTestRunEnd(modules, unhandledErrors) {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const suites = modules.flatMap((module) => [module, ...module.children.allSuites()]);
    const inState = (/** @type {string} */ state) => tests.filter((test) => test.result().state === state);

    const passed = inState('passed').length;
    const broken = suites.filter((suite) => suite.errors().length > 0).length + unhandledErrors.length;
    const failed = inState('failed').length + broken;
    const skipped = inState('skipped');

    const lines = skipped.map(
      (test) => `skipped: ${test.module.relativeModuleId} > ${test.fullName}: ${reasonOf(test)}`,
    );
    console.log(['', ...lines, `${passed} passed, ${failed} failed, ${skipped.length} skipped`].join('\n'));
  }
}

/** @type {(test: import('vitest/node').TestCase) => string} */
const reasonOf = (test) => {
  for (let suite = test.parent; ; suite = suite.parent) {
    if (suite.errors().length > 0) return 'its suite failed';
    if (suite.type === 'module') break;
  }
  const result = test.result();
  return (result.state === 'skipped' && result.note) || 'no reason given';
};
