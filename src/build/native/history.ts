import type { StageState } from './build-run.ts';
import type { HistoryLine, RunConfig } from './image-config.ts';

const COMMENT = 'slipway';

/** Adds a line to the history of a stage. */
export function addHistory(
  state: StageState,
  created: string,
  createdBy: string,
  hasLayer = false,
): void {
  const line: HistoryLine = {
    created,
    created_by: createdBy,
    comment: COMMENT,
    ...(hasLayer ? {} : { empty_layer: true }),
  };
  state.image = { ...state.image, history: [...state.image.history, line] };
}

/** Changes the config of a stage. */
export function changeConfig(state: StageState, changes: RunConfig): void {
  const config = { ...state.image.config, ...changes };
  state.image = { ...state.image, config };
}

/** A list as Go prints it with %q: `["a" "b"]`. */
export function goList(words: readonly string[]): string {
  return `[${words.map((word) => JSON.stringify(word)).join(' ')}]`;
}
