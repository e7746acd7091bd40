// What the jwt_authn filter implements of its configuration messages.

import type { SupportDeclaration } from '@dragoman/config';

const JWT = 'envoy.extensions.filters.http.jwt_authn.v3';

export const jwtAuthnSupport: SupportDeclaration = {
  extensions: {
    'envoy.filters.http': { [`${JWT}.JwtAuthentication`]: ['envoy.filters.http.jwt_authn'] },
    'envoy.filters.http.route': { [`${JWT}.PerRouteConfig`]: [] },
  },
  fields: {
    [`${JWT}.JwtAuthentication`]: '*',
    [`${JWT}.PerRouteConfig`]: '*',
    [`${JWT}.JwtProvider`]: '*',
    [`${JWT}.JwtProvider.NormalizePayload`]: '*',
    [`${JWT}.RemoteJwks`]: '*',
    [`${JWT}.JwksAsyncFetch`]: ['failed_refetch_duration'],
    [`${JWT}.JwtHeader`]: '*',
    [`${JWT}.JwtClaimToHeader`]: '*',
    [`${JWT}.JwtCacheConfig`]: '*',
    [`${JWT}.RequirementRule`]: '*',
    [`${JWT}.FilterStateRule`]: '*',
    [`${JWT}.ProviderWithAudiences`]: '*',
    [`${JWT}.JwtRequirementOrList`]: '*',
    [`${JWT}.JwtRequirementAndList`]: '*',
    [`${JWT}.JwtRequirement`]: [
      'provider_name',
      'provider_and_audiences',
      'requires_any',
      'requires_all',
      'allow_missing',
      'allow_missing_or_failed',
    ],
  },
  harmless: {
    [`${JWT}.JwksAsyncFetch`]: { fast_listener: 'requests that come before the keys wait for them' },
  },
};
