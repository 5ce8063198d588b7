//! Placeholder until the first route.
