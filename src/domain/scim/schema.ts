/** What SCIM (RFC 7643) says of people and groups here, as data: reading, filters, PATCH and the discovery endpoints all go by it. */
import type { Json, JsonObject } from "../../base/canonical.ts";

export const USER_URN = "urn:ietf:params:scim:schemas:core:2.0:User";
export const ENTERPRISE_URN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
export const GROUP_URN = "urn:ietf:params:scim:schemas:core:2.0:Group";
const MESSAGE_URN = "urn:ietf:params:scim:api:messages:2.0";
export const LIST_URN = `${MESSAGE_URN}:ListResponse`;
export const ERROR_URN = `${MESSAGE_URN}:Error`;
const CONFIG_URN = "urn:ietf:params:scim:schemas:core:2.0";

export type Attribute = {
  readonly name: string;
  readonly type: "string" | "boolean" | "complex";
  /** Several values, each with sub-attributes. */
  readonly multi?: true;
  readonly sub?: readonly Attribute[];
  readonly required?: true;
  readonly caseExact?: true;
  readonly mutability?: "readOnly" | "immutable";
  readonly unique?: true;
  /** It belongs to the enterprise extension. */
  readonly enterprise?: true;
};

const text = (name: string, more: Omit<Attribute, "name" | "type"> = {}): Attribute => ({
  name,
  type: "string",
  ...more,
});
const flag = (name: string): Attribute => ({ name, type: "boolean" });

/** Who it is there. It never changes: whoever has another is somebody else. */
const externalId = (mutability: { mutability?: "immutable"; required?: true }): Attribute =>
  text("externalId", { caseExact: true, ...mutability });

export const USER: readonly Attribute[] = [
  text("userName", { required: true, unique: true }),
  externalId({ mutability: "immutable", required: true }),
  { name: "name", type: "complex", sub: [text("formatted"), text("familyName"), text("givenName")] },
  text("displayName"),
  text("userType"),
  flag("active"),
  { name: "emails", type: "complex", multi: true, sub: [text("value"), text("type"), flag("primary")] },
  {
    ...{ name: "groups", type: "complex", multi: true, mutability: "readOnly" },
    sub: [text("value", { caseExact: true }), text("display")],
  },
  { name: "manager", type: "complex", sub: [text("value", { caseExact: true })], enterprise: true },
];

export const GROUP: readonly Attribute[] = [
  text("displayName", { required: true, unique: true }),
  externalId({}),
  {
    ...{ name: "members", type: "complex", multi: true },
    sub: [text("value", { caseExact: true, mutability: "immutable" }), text("display", { mutability: "readOnly" })],
  },
];

export const attributeOf = (attributes: readonly Attribute[], name: string): Attribute | undefined =>
  attributes.find((one) => one.name.toLowerCase() === name.toLowerCase());

function shown(attribute: Attribute): JsonObject {
  const { name, type, multi, sub, required, caseExact, mutability, unique } = attribute;
  return {
    name,
    type,
    multiValued: multi === true,
    required: required === true,
    ...(type === "string" ? { caseExact: caseExact === true } : {}),
    mutability: mutability ?? "readWrite",
    returned: "default",
    uniqueness: unique === true ? "server" : "none",
    ...(sub === undefined ? {} : { subAttributes: sub.map(shown) }),
  };
}

const meta = (url: string, resourceType: string, path: string): JsonObject => ({
  resourceType,
  location: `${url}/${path}`,
});

export function schemas(url: string): JsonObject[] {
  const schema = (id: string, name: string, attributes: readonly Attribute[]): JsonObject => ({
    schemas: [`${CONFIG_URN}:Schema`],
    id,
    name,
    attributes: attributes.map(shown),
    meta: meta(url, "Schema", `Schemas/${id}`),
  });
  return [
    schema(
      USER_URN,
      "User",
      USER.filter(({ enterprise }) => enterprise !== true),
    ),
    schema(
      ENTERPRISE_URN,
      "EnterpriseUser",
      USER.filter(({ enterprise }) => enterprise === true),
    ),
    schema(GROUP_URN, "Group", GROUP),
  ];
}

export function resourceTypes(url: string): JsonObject[] {
  const type = (name: string, schema: string, more: JsonObject): JsonObject => ({
    schemas: [`${CONFIG_URN}:ResourceType`],
    id: name,
    name,
    endpoint: `/${name}s`,
    schema,
    ...more,
    meta: meta(url, "ResourceType", `ResourceTypes/${name}`),
  });
  return [
    type("User", USER_URN, { schemaExtensions: [{ schema: ENTERPRISE_URN, required: false }] }),
    type("Group", GROUP_URN, {}),
  ];
}

export const serviceProviderConfig = (url: string, resultsMax: number): JsonObject => {
  const no: Json = { supported: false };
  return {
    schemas: [`${CONFIG_URN}:ServiceProviderConfig`],
    patch: { supported: true },
    bulk: { supported: false, maxOperations: 0, maxPayloadSize: 0 },
    filter: { supported: true, maxResults: resultsMax },
    changePassword: no,
    sort: no,
    etag: { supported: true },
    authenticationSchemes: [
      {
        type: "oauthbearertoken",
        name: "Bearer token",
        description: "The token of identity.providers.NAME.scim",
        primary: true,
      },
    ],
    meta: meta(url, "ServiceProviderConfig", "ServiceProviderConfig"),
  };
};
