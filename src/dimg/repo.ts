import { isSlipwayError, SlipwayError } from '../errors.ts';
import { parseRepository, type RepositoryName } from '../oci/reference.ts';

const LABEL = '[a-z0-9](?:[a-z0-9-]*[a-z0-9])?';
const PART = '[a-z0-9]+(?:(?:[_.]|__|-+)[a-z0-9]+)*';
const REPO = new RegExp(`^(?:${LABEL}(?:\\.${LABEL})*(?::[0-9]+)?/)?${PART}(?:/${PART})*$`);
const DIMG = /^[a-z0-9](?:(?:[_.]|__|-*)[a-z0-9])*[_.]?$/;

/**
 * The repository that a REPO of the command line names; `:minikube` is that of the project in the
 * registry of a minikube.
 *
 * @throws SlipwayError `REFERENCE_INVALID`
 */
export function parseRepo(text: string, project: string): RepositoryName {
  const named = text === ':minikube' ? `localhost:5000/${project}` : text;
  try {
    if (REPO.test(named)) return parseRepository(named);
  } catch (error) {
    if (!isSlipwayError(error, 'REFERENCE_INVALID')) throw error;
  }
  throw new SlipwayError(
    'REFERENCE_INVALID',
    `Incorrect repo name \`${text.slice(0, 300)}\` given!`,
    { hint: 'a REPO is [HOST[:PORT]/]PATH in small letters, without a tag' },
  );
}

/** True if a dimg can be called so. */
export function isDimgName(name: string): boolean {
  return DIMG.test(name);
}

/** How names of dimgs are described, for errors. */
export const DIMG_NAME_RULE = DIMG.source;

/** Where a dimg goes: the nameless one to REPO itself. */
export function dimgRepository(repo: RepositoryName, dimg: string | undefined): RepositoryName {
  return dimg === undefined ? repo : { host: repo.host, path: `${repo.path}/${dimg}` };
}
