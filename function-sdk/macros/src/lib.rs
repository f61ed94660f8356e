//! Attribute macros of fleetfn-function.
