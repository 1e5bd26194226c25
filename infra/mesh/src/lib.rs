//! The mesh: how a service asks another what must be known now.
//!
//! [`Mesh::call`] hands an HTTP request to a role's own router: in this process when the role is mounted
//! here, over HTTP to a discovered instance when it is not. The request, the answer, upgrades (WebSocket) and
//! failures are the same on both paths.
