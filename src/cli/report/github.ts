import type { Emit } from '../../events.ts';
import type { Output } from '../output.ts';

interface Folded {
  readonly emit: Emit;
  stop(): void;
}

/**
 * Folds the lines of a reporter into a group of GitHub Actions' log; what is printed after its end
 * (results and errors) stays visible. https://docs.github.com/actions/reference/workflow-commands
 */
export function grouped(output: Output, make: (output: Output) => Folded): Folded {
  let isOpen = false;
  const reporter = make({
    ...output,
    err(text) {
      if (!isOpen) output.err('::group::slipway\n');
      isOpen = true;
      output.err(text);
    },
  });
  return {
    emit: reporter.emit,
    stop() {
      reporter.stop();
      if (isOpen) output.err('::endgroup::\n');
      isOpen = false;
    },
  };
}
