//! Which shard a row belongs to by its key.

use maxwell_protocol::settings::Compatibility;

use super::EncodeError;
use super::message::{Row, TableEncoder};
use super::value::{ValueStyle, value};
use crate::binlog::event::Operation;
use crate::binlog::rows::{Field, Image};
use crate::shard::Share;

/// Values as they are hashed: whatever the settings of the output are.
const HASHED: ValueStyle = ValueStyle { compatibility: Compatibility::Corrected, null_zero_dates: false };

/// What a shard shows of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// All of it.
    Whole,
    /// Nothing.
    Nothing,
    /// An update took it to a key of another shard: it is deleted here.
    Left,
    /// An update took it here from a key of another shard: it is inserted.
    Came,
}

impl TableEncoder {
    pub(super) fn share_of(&self, share: Share, row: &Row<'_>) -> Result<Shown, EncodeError> {
        let Row { operation, body, before, after } = *row;
        let whole = |held: bool| if held { Shown::Whole } else { Shown::Nothing };
        Ok(match operation {
            Operation::Insert => whole(self.is_in(share, body, after, after)?),
            Operation::Delete => whole(self.is_in(share, body, before, before)?),
            Operation::Update => {
                let was = self.is_in(share, body, before, before)?;
                match (was, self.is_in(share, body, after, before)?) {
                    (true, false) => Shown::Left,
                    (false, true) => Shown::Came,
                    (held, _) => whole(held),
                }
            }
        })
    }

    /// Whether the key of an image, with what it leaves out taken from another one, is in the share.
    fn is_in(
        &self,
        share: Share,
        body: &[u8],
        image: &Image,
        otherwise: &Image,
    ) -> Result<bool, EncodeError> {
        let mut text = Vec::with_capacity(32);
        for &at in &self.table.primary_key {
            let field = match image.get(at) {
                None | Some(Field::Absent) => otherwise.get(at).copied().unwrap_or(Field::Absent),
                Some(field) => *field,
            };
            if let Field::Value(from, to) = field {
                let bytes = &body[from as usize..to as usize];
                value(&mut text, &self.table.columns[at], bytes, HASHED, &|| self.full_name())?;
            }
            text.push(0);
        }
        Ok(share.holds(&text))
    }
}

/// The image after an update, with what it leaves out taken from the one before.
pub fn completed(after: &Image, before: &Image) -> Image {
    let complete = |(field, before): (&Field, &Field)| match field {
        Field::Absent => *before,
        field => *field,
    };
    after.iter().zip(before).map(complete).collect()
}
