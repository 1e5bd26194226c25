//go:build tools

// Package tools keeps Consul among this module's requirements, so that its version and every one of its dependencies' are recorded here.
package tools

import _ "github.com/hashicorp/consul"
