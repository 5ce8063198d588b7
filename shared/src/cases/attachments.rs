//! Attachments: uploaded by a link that counts for one file, held to what was announced when they are attached.
//!
//! Nothing is written before a message names a file: what the link was given for travels in the attachment's name,
//! signed and bound to the member. What is uploaded lies where it is gone after a day; what a message names is copied
//! to where it stays, beside the ticket's member.

use futures_util::future::try_join_all;

use crate::app::App;
use crate::cases::{Error, Who};
use crate::domain::attachment::{Attachment, MOST_ATTACHMENTS, Media};
use crate::domain::attempts;
use crate::domain::refusal::Refusal;
use crate::objects::Link;
use crate::table::Freshness;
use crate::values::{MemberId, RowKey};

const UPLOADS: &str = "attachments";

/// A file to be uploaded.
#[derive(Clone, Debug)]
pub struct Upload {
    /// By what a message names the file.
    pub name: String,
    /// What was announced.
    pub attachment: Attachment,
    /// Where to PUT it.
    pub link: Link,
}

/// Attachments.
#[derive(Clone, Copy, Debug)]
pub struct Attachments<'a>(pub(crate) &'a App);

impl App {
    /// Attachments.
    #[must_use]
    pub const fn attachments(&self) -> Attachments<'_> {
        Attachments(self)
    }
}

impl Attachments<'_> {
    /// A link for one file of this type and size. Two calls: the session is checked, and the upload counted.
    pub async fn announce(&self, who: &Who, media: Media, bytes: u32) -> Result<Upload, Error> {
        let hot = self.0.ledger().open(who, Freshness::Recent).await?;
        let random: [u8; 16] = crate::entropy::bytes(self.0.entropy());
        let attachment = Attachment::new(RowKey::from_bytes(random), media, bytes)?;
        let owner = hot.account.member;
        self.0.attempts().before(&attempts::UPLOADS, &owner.to_string()).await?;
        let sealed = self.0.parts().cursors.seal(UPLOADS, &owner.to_string(), &attachment);
        let name = sealed.map_err(|e| Error::Defect(e.to_string()))?;
        let link = self.0.parts().objects.upload(&uploaded(owner, &attachment), media, bytes, self.0.wall())?;
        Ok(Upload { name, attachment, link })
    }

    /// The files that a message names, held to what was announced. No table call; one to the object storage for each,
    /// side by side, and one more for each that a message named before.
    pub async fn accept(&self, member: MemberId, names: &[String]) -> Result<Vec<Attachment>, Error> {
        if names.len() > MOST_ATTACHMENTS {
            return Err(Refusal::TooManyAttachments { most: MOST_ATTACHMENTS }.into());
        }
        let owner = member.to_string();
        let open = |name: &String| self.0.parts().cursors.open::<Attachment>(UPLOADS, &owner, name);
        let attachments: Result<Vec<Attachment>, _> = names.iter().map(open).collect();
        let attachments = attachments.map_err(|_| Refusal::AttachmentUnknown)?;
        let now = self.0.wall();
        let checks = attachments.iter().map(|attachment| async move {
            let objects = &self.0.parts().objects;
            let beginning = match objects.beginning(&uploaded(member, attachment), now).await? {
                Some(beginning) => Some(beginning),
                None => objects.beginning(&kept(member, attachment), now).await?,
            };
            attachment.check(beginning.as_ref().map(|found| (found.bytes, found.first.as_slice())))?;
            Ok::<(), Error>(())
        });
        try_join_all(checks).await?;
        Ok(attachments)
    }

    /// Lets files that `by` has uploaded stay, beside the member whose ticket names them. One call to the object storage
    /// for each, side by side; safe to repeat.
    pub(crate) async fn keep(&self, by: MemberId, member: MemberId, attachments: &[Attachment]) -> Result<(), Error> {
        let (objects, now) = (&self.0.parts().objects, self.0.wall());
        let copies = attachments.iter().map(|attachment| async move {
            let to = kept(member, attachment);
            let copied = objects.copy(&uploaded(by, attachment), &to, now).await?;
            // An upload may be gone when a request comes again; what it named is kept by then.
            if copied || objects.beginning(&to, now).await?.is_some() {
                Ok(())
            } else {
                Err(Error::from(Refusal::AttachmentMissing))
            }
        });
        try_join_all(copies).await.map(|_| ())
    }

    /// Erases a file of a member's ticket. One call to the object storage; safe to repeat.
    pub(crate) async fn erase(&self, member: MemberId, attachment: &Attachment) -> Result<(), Error> {
        Ok(self.0.parts().objects.delete(&kept(member, attachment), self.0.wall()).await?)
    }

    /// A link by which an attachment of a member's ticket can be fetched. No call.
    pub fn link(&self, member: MemberId, attachment: &Attachment) -> Result<Link, Error> {
        Ok(self.0.parts().objects.download(&kept(member, attachment), self.0.wall())?)
    }
}

/// Where a file lies until a message names it; the bucket forgets what begins like this after a day.
fn uploaded(member: MemberId, attachment: &Attachment) -> String {
    format!("uploads/{member}/{}", attachment.id)
}

/// Where a file stays: a member's all begin alike, so that they can be erased together.
fn kept(member: MemberId, attachment: &Attachment) -> String {
    format!("{member}/{}", attachment.id)
}
