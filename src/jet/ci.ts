import { askGit } from '../build/git-program.ts';
import type { TagVariables } from './image-tag.ts';

/** What is told about the build; the fields are those of `--ci-*`. */
export interface CiFlags {
  readonly ciBranch?: string;
  readonly ciBuildId?: string;
  readonly ciCommitDescription?: string;
  readonly ciCommitId?: string;
  readonly ciCommitMessage?: string;
  readonly ciCommitterEmail?: string;
  readonly ciCommitterName?: string;
  readonly ciCommitterUsername?: string;
  /** number and address of the pull request that is built */
  readonly ciPrNumber?: string;
  readonly ciPullRequest?: string;
  readonly ciProjectId?: string;
  readonly ciRepoName?: string;
}

/** The facts of a build. */
export interface CiFacts extends Required<CiFlags> {
  readonly time: Date;
  readonly isApproved: boolean;
}

/**
 * The facts of a build: what was told, and for the rest what git knows about the project's folder.
 *
 * @param tag of `--tag`: the branch, if none was told
 */
export async function ciFacts(
  flags: CiFlags,
  { dir, tag, signal }: { dir: string; tag: string | undefined; signal: AbortSignal },
): Promise<CiFacts> {
  const git = async (...words: readonly string[]): Promise<string> => {
    const answer = await askGit(words, { cwd: dir, signal });
    return answer?.status === 0 ? answer.stdout.trim() : '';
  };
  const branch = async () => tag ?? (await git('symbolic-ref', '--short', 'HEAD'));
  const [ciBranch, ciCommitDescription, last, top] = await Promise.all([
    flags.ciBranch ?? branch(),
    flags.ciCommitDescription ?? git('describe', '--abbrev=1', '--tags', '--always'),
    git('log', '-1', '--format=%H%x00%cn%x00%ce%x00%B'),
    git('rev-parse', '--show-toplevel'),
  ]);
  const [commit = '', name = '', email = '', message = ''] = last.split('\0');
  return {
    ciBranch,
    ciBuildId: flags.ciBuildId ?? '',
    ciCommitDescription,
    ciCommitId: flags.ciCommitId ?? commit,
    ciCommitMessage: flags.ciCommitMessage ?? message,
    ciCommitterEmail: flags.ciCommitterEmail ?? email,
    ciCommitterName: flags.ciCommitterName ?? name,
    ciCommitterUsername: flags.ciCommitterUsername ?? '',
    // Codeship tells them to the commands that we are one of.
    ciPrNumber: flags.ciPrNumber ?? process.env.CI_PR_NUMBER ?? '',
    ciPullRequest: flags.ciPullRequest ?? process.env.CI_PULL_REQUEST ?? '',
    ciProjectId: flags.ciProjectId ?? '',
    ciRepoName: flags.ciRepoName ?? top.replace(/^.*\//, ''),
    time: new Date(),
    isApproved: false,
  };
}

/** The variables of every container, as Codeship names them. */
export function ciVariables(facts: CiFacts): Readonly<Record<string, string>> {
  return {
    CI: 'true',
    CI_NAME: 'codeship',
    CI_PROJECT_ID: facts.ciProjectId,
    CI_BUILD_ID: facts.ciBuildId,
    CI_REPO_NAME: facts.ciRepoName,
    CI_BRANCH: facts.ciBranch,
    CI_COMMIT_ID: facts.ciCommitId,
    CI_COMMIT_MESSAGE: facts.ciCommitMessage,
    CI_COMMIT_DESCRIPTION: facts.ciCommitDescription,
    CI_COMMITTER_NAME: facts.ciCommitterName,
    CI_COMMITTER_EMAIL: facts.ciCommitterEmail,
    CI_COMMITTER_USERNAME: facts.ciCommitterUsername,
    CI_TIMESTAMP: timestamp(facts.time),
    CI_STRING_TIME: stringTime(facts.time),
    CI_PR_NUMBER: facts.ciPrNumber,
    CI_PULL_REQUEST: facts.ciPullRequest,
    ...(facts.isApproved ? { CI_BUILD_APPROVED: 'true' } : {}),
  };
}

/** What a template of a tag can use. */
export function tagVariables(
  facts: CiFacts,
  step: { readonly name: string; readonly service: string; readonly image: string },
): TagVariables {
  return {
    time: facts.time,
    texts: {
      ProjectID: facts.ciProjectId,
      BuildID: facts.ciBuildId,
      RepoName: facts.ciRepoName,
      Branch: facts.ciBranch,
      CommitID: facts.ciCommitId,
      // Its name before jet 0.7.10.
      Commit: facts.ciCommitId,
      CommitMessage: facts.ciCommitMessage,
      CommitDescription: facts.ciCommitDescription,
      CommitterName: facts.ciCommitterName,
      CommitterEmail: facts.ciCommitterEmail,
      CommitterUsername: facts.ciCommitterUsername,
      Timestamp: timestamp(facts.time),
      StringTime: stringTime(facts.time),
      StepName: step.name,
      ServiceName: step.service,
      ImageName: step.image,
      CiName: 'codeship',
    },
  };
}

function timestamp(time: Date): string {
  return String(Math.floor(time.getTime() / 1000));
}

function stringTime(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}
