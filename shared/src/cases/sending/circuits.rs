//! Circuits of providers, as senders tell and ask them.

use super::Sending;
use crate::cases::Error;
use crate::domain::campaign::circuit::{Circuit, Passing};
use crate::domain::campaign::send::Provider;
use crate::domain::traits::Channel;
use crate::table::Outcome;

impl Sending<'_> {
    /// Tells a provider's circuit how it fared; no call when that is nothing new.
    pub(super) async fn fared(self, channel: Channel, provider: Provider) -> Result<(), Error> {
        for _ in 0..3 {
            let circuits = self.0.campaigns().circuits().await?;
            let known = circuits.iter().find(|(of, _, _)| *of == channel);
            let (circuit, version) =
                known.map_or((Circuit::default(), 0), |(_, circuit, version)| (*circuit, *version));
            let Some(next) = circuit.after(provider, self.0.now()) else { return Ok(()) };
            let outcome = self.0.table().transaction().circuit(channel, &next, version)?.commit().await?;
            self.0.kept_campaigns().forget_circuits();
            if next.open_until > circuit.open_until {
                tracing::error!(channel = channel.word(), "a provider fails; its messages wait");
            }
            if matches!(outcome, Outcome::Done) {
                return Ok(());
            }
        }
        // Whoever was faster has told the same.
        Ok(())
    }

    /// Whether this message is the one by which an open circuit is tried. Two calls.
    pub(super) async fn takes_the_probe(self, channel: Channel) -> Result<bool, Error> {
        self.0.kept_campaigns().forget_circuits();
        let circuits = self.0.campaigns().circuits().await?;
        let Some((_, circuit, version)) = circuits.iter().find(|(of, _, _)| *of == channel) else { return Ok(true) };
        match circuit.passes(self.0.now()) {
            Passing::Freely => return Ok(true),
            Passing::NotBefore(_) => return Ok(false),
            Passing::AsProbe => {}
        }
        let probed = circuit.probed(self.0.now());
        let outcome = self.0.table().transaction().circuit(channel, &probed, *version)?.commit().await?;
        self.0.kept_campaigns().forget_circuits();
        Ok(matches!(outcome, Outcome::Done))
    }
}
