//! What the decisions ask of Redis, done.

use crate::bucket::Numbered;
use crate::effects::HotJob;
use warren_cluster::keeper::ownership::head;
use warren_ownership::lease::{Home, Peer};
use warren_ownership::message::{HotAnswer, HotRequest, Unknown};
use warren_ownership::name::Owner;
use warren_stores::redis::{About, Answered, Changed, Held, Hot, Looked, Raised, Trouble};

/// What Redis said.
pub(crate) enum Said {
    /// As the decisions know it.
    Answer(HotAnswer),
    /// The lease is held, and these live.
    Peers(Vec<(Owner, About)>),
    /// The fence is raised, and this is the journal.
    Journal(Vec<Numbered>),
}

pub(crate) async fn ask(hot: &Hot, job: HotJob, about: &About) -> Result<(Home, Said), Unknown> {
    let said = match job {
        HotJob::Append(id, home, epoch, first, entries) => {
            changed(hot.append(id, home, epoch, first, &entries).await.map_err(|trouble| unknown(&trouble))?)?
        }
        HotJob::Other(request) => other(hot, request, about).await?,
    };
    Ok(said)
}

async fn other(hot: &Hot, request: HotRequest, about: &About) -> Result<(Home, Said), Unknown> {
    let unknown = |trouble: Trouble| unknown(&trouble);
    Ok(match request {
        HotRequest::Renew(owner, term) => held(hot.renew(owner, term, about).await.map_err(unknown)?),
        HotRequest::Grant(owner, term) => held(hot.grant(owner, term, about).await.map_err(unknown)?),
        HotRequest::Lease(owner) => {
            let Answered { home, what: Looked(alive), .. } = hot.look(owner).await.map_err(unknown)?;
            (home, Said::Answer(HotAnswer::Alive(alive)))
        }
        HotRequest::Raise(id, epoch) => {
            let Answered { home, what, .. } = hot.raise(id, epoch).await.map_err(unknown)?;
            match what {
                Raised::Fenced => (home, Said::Answer(HotAnswer::Fenced)),
                Raised::Journal(entries) => {
                    let mut journal = Vec::with_capacity(entries.len());
                    for entry in entries {
                        // Somebody was told of it: it is not left out, whatever it is.
                        let fits = head(&entry.bytes).is_ok_and(|head| {
                            (head.id.number(), head.epoch.get(), head.number) == (id.0, entry.epoch.get(), entry.seq)
                        });
                        if !fits {
                            tracing::error!(session = ?id, seq = entry.seq, "an entry of the hot journal is none");
                            return Err(Unknown);
                        }
                        journal.push((entry.epoch, entry.seq, entry.bytes));
                    }
                    (home, Said::Journal(journal))
                }
            }
        }
        HotRequest::Seed(id, home, epoch, after) => changed(hot.seed(id, home, epoch, after).await.map_err(unknown)?)?,
        HotRequest::Trim(id, home, epoch, upto) => changed(hot.trim(id, home, epoch, upto).await.map_err(unknown)?)?,
        // Only a core that breaks a rule peeks; appends come with their bytes.
        HotRequest::Peek(_) | HotRequest::Append(..) => return Err(Unknown),
    })
}

fn held(answered: Answered<Held>) -> (Home, Said) {
    let said = match answered.what {
        Held::Held(peers) => Said::Peers(peers),
        Held::Lapsed => Said::Answer(HotAnswer::Lapsed),
    };
    (answered.home, said)
}

fn changed(answered: Answered<Changed>) -> Result<(Home, Said), Unknown> {
    let answer = match answered.what {
        Changed::Done => HotAnswer::Done,
        Changed::Fenced => HotAnswer::Fenced,
        Changed::Forgotten => HotAnswer::Forgotten,
        // As if it were away: its owner goes on by the bucket, and trims it.
        Changed::Full => return Err(Unknown),
    };
    Ok((answered.home, Said::Answer(answer)))
}

fn unknown(trouble: &Trouble) -> Unknown {
    tracing::warn!(%trouble, "Redis did not do what it was asked to");
    Unknown
}

/// What the decisions know of those that live.
pub(crate) fn peers(of: &[(Owner, About)]) -> Vec<Peer> {
    of.iter().map(|(owner, about)| Peer { owner: *owner, free_mib: about.free_mib, draining: about.draining }).collect()
}
