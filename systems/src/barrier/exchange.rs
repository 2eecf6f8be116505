//! Exchange: messages are delivered to the chunks of the nodes that they go to.

use bevy_ecs::prelude::*;
use rayon::prelude::*;

use crate::events::{Chunk, Chunks, Mail, What};

/// Messages from which on several threads deliver them.
const MANY: usize = 1024;

/// Delivers what nodes have sent in the window. Cost: O(messages + active chunks · chunks).
pub fn exchange_messages(mut chunks: ResMut<Chunks>) {
    let Chunks { all, inboxes, .. } = &mut *chunks;
    inboxes.resize_with(all.len(), Vec::new);
    let mut messages = 0;
    for (from, chunk) in all.iter_mut().enumerate() {
        if !chunk.is_active {
            continue;
        }
        for (mail, inbox) in chunk.mail.iter_mut().zip(&mut *inboxes) {
            if !mail.events.is_empty() {
                messages += mail.events.len();
                inbox.push((from, std::mem::take(mail)));
            }
        }
    }
    let full = all.iter_mut().zip(inboxes.iter_mut());
    let full = full.filter(|(_, inbox)| !inbox.is_empty());
    let deliver = |(chunk, inbox): (&mut Chunk, &mut Vec<(usize, Mail)>)| {
        inbox.iter_mut().for_each(|(_, mail)| deliver(chunk, mail));
    };
    match messages >= MANY {
        true => full.collect::<Vec<_>>().into_par_iter().for_each(deliver),
        false => full.for_each(deliver),
    }
    // Senders get the emptied lists back.
    for (to, inbox) in inboxes.iter_mut().enumerate() {
        for (from, mail) in inbox.drain(..) {
            all[from].mail[to] = mail;
        }
    }
}

/// Delivers the mail of one chunk to another.
fn deliver(chunk: &mut Chunk, mail: &mut Mail) {
    for mut event in mail.events.drain(..) {
        if let What::Answer { named, .. } = &mut event.what {
            *named = chunk.named.add(mail.named.get(*named));
        }
        chunk.messages.push(event);
    }
    mail.named.clear();
}
