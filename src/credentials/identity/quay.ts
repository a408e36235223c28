import { SlipwayError } from '../../errors.ts';
import { askForToken } from './answers.ts';
import { ciToken, hasCiToken } from './ci-token.ts';
import { type ExchangeTools, type Login, tokenExpiry } from './login.ts';

const ROBOT = /^[a-z0-9][a-z0-9._-]*\+[a-z][a-z0-9_-]*$/;

/**
 * A login of Quay: the token of a CI job for a robot account that trusts the job (docs.quay.io,
 * "Keyless authentication with robot accounts"); undefined without a robot or a token.
 */
export async function quayLogin(host: string, tools: ExchangeTools): Promise<Login | undefined> {
  const username = process.env.SLIPWAY_QUAY_ROBOT;
  if (!username || !hasCiToken('quay')) return undefined;
  if (!ROBOT.test(username)) {
    throw new SlipwayError('CONFIG_INVALID', 'SLIPWAY_QUAY_ROBOT names no robot account', {
      hint: 'write ORGANIZATION+ROBOT',
    });
  }
  const jobToken = await ciToken('quay', host, tools);
  const basic = Buffer.from(`${username}:${jobToken}`).toString('base64');
  const password = await askForToken(
    {
      request: {
        method: 'GET',
        url: new URL(`https://${host}/oauth2/federation/robot/token`),
        headers: { authorization: `Basic ${basic}` },
      },
      field: 'token',
      refused: `${host} did not accept the job's token for ${username}`,
      hint: 'does the robot account trust this issuer and this job (robot federation)?',
    },
    tools,
  );
  return { credential: { username, password }, expiresAtMs: tokenExpiry(password) };
}
