//! The watch over the parser: it sees each token before the parser does, and how deep the parser stands when it asks for it.
//!
//! Whatever the parser recurses on takes a token, so its stack is measured at each. What it makes a deep tree of without recursing
//! (`a+a+a`, `a.b.c`, `a()()`, `else if`) is counted: [`Chains`] has an upper bound of how deep such a tree is.

use deno_ast::swc::ast::EsVersion;
use deno_ast::swc::common::BytePos;
use deno_ast::swc::lexer::common::context::Context;
use deno_ast::swc::lexer::common::input::Tokens;
use deno_ast::swc::lexer::common::syntax::SyntaxFlags;
use deno_ast::swc::lexer::error::Error;
use deno_ast::swc::lexer::lexer::{TokenContexts, TokenFlags};
use deno_ast::swc::lexer::token::{BinOpToken, IdentLike, Keyword, KnownIdent, Token, TokenAndSpan, Word};
use deno_ast::swc::lexer::{Lexer, Parser};
use deno_ast::swc::parser::{StringInput, Syntax};
use deno_core::url::Url;
use deno_error::JsErrorBox;
use std::cell::{Cell, RefCell};

/// Bytes of stack a script's nesting may take while it is parsed: a thousand parentheses in one another, or more.
pub const NESTING_BYTES_MAX: usize = 4 << 20;
/// Operators, calls or `else` that may follow each other without anything that ends an expression.
pub const CHAIN_MAX: u32 = 10_000;
/// Tokens that are looked at, those of attempts that fail among them. What a token becomes takes about 100 bytes.
pub const STEPS_MAX: u64 = 12_000_000;
/// The same for each byte of a script: of attempts within attempts there are exponentially many.
const STEPS_PER_BYTE: u64 = 32;
/// Steps between two looks whether somebody still waits.
const STEPS_PER_LOOK: u64 = 4096;
/// Where the parser's positions begin.
const FIRST: u32 = 1;

/// Why a script is not parsed.
#[derive(Debug)]
pub(super) enum Refusal {
    TooDeep,
    TooLong,
    Stopped,
    /// It is no script: what is wrong, on which line, in which column.
    Wrong(String, usize, usize),
}

impl Refusal {
    /// It is no script, rather than too much of one.
    pub(super) fn is_of_its_text(&self) -> bool {
        matches!(self, Refusal::Wrong(..))
    }

    pub(super) fn of(self, url: &Url) -> JsErrorBox {
        let text = match self {
            Refusal::TooDeep => format!("{url}: nested too deeply"),
            Refusal::TooLong => format!("{url}: too large or too intricate to be parsed"),
            Refusal::Stopped => format!("{url}: not parsed, the program ends"),
            Refusal::Wrong(what, line, column) => format!("{what}\n    at {url}:{line}:{column}"),
        };
        JsErrorBox::new("SyntaxError", text)
    }
}

/// Parses a script and throws the tree away. On a thread with a large stack.
pub(super) fn pass(text: &str, syntax: Syntax, module: bool, stop: &dyn Fn() -> bool) -> Result<(), Refusal> {
    let Ok(length) = u32::try_from(text.len()) else { return Err(Refusal::TooLong) };
    let Some(end) = length.checked_add(FIRST) else { return Err(Refusal::TooLong) };
    let steps = (u64::from(length) * STEPS_PER_BYTE + STEPS_PER_LOOK).min(STEPS_MAX);
    let watch = Watch { top: stack(), steps: Cell::new(steps), verdict: RefCell::new(None), stop };
    let input = StringInput::new(text, BytePos(FIRST), BytePos(end));
    let lexer = Lexer::new(syntax, deno_ast::ES_VERSION, input, None);
    let typed = syntax.typescript();
    let mut parser = Parser::new_from(Watched { lexer, chains: Chains::new(typed), watch: &watch });
    let parsed = if module { parser.parse_module().map(drop) } else { parser.parse_program().map(drop) };
    drop(parser);
    if let Some(refusal) = watch.verdict.into_inner() {
        return Err(refusal);
    }
    parsed.map_err(|error| {
        let at = (deno_ast::swc::common::Spanned::span(&error).lo.0.saturating_sub(FIRST) as usize).min(text.len());
        let before = &text.as_bytes()[..at];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = at - before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1) + 1;
        Refusal::Wrong(error.kind().msg().into_owned(), line, column)
    })
}

/// Where the stack is now.
#[inline(never)]
fn stack() -> usize {
    let here = 0u8;
    std::ptr::from_ref(std::hint::black_box(&here)).addr()
}

struct Watch<'a> {
    top: usize,
    steps: Cell<u64>,
    verdict: RefCell<Option<Refusal>>,
    stop: &'a dyn Fn() -> bool,
}

impl Watch<'_> {
    /// Whether the parser may go on.
    fn step(&self, chains_fit: bool) -> bool {
        if self.verdict.borrow().is_some() {
            return false;
        }
        let left = self.steps.get();
        self.steps.set(left.saturating_sub(1));
        let refusal = if left == 0 {
            Refusal::TooLong
        } else if !chains_fit || self.top.abs_diff(stack()) > NESTING_BYTES_MAX {
            Refusal::TooDeep
        } else if left.is_multiple_of(STEPS_PER_LOOK) && (self.stop)() {
            Refusal::Stopped
        } else {
            return true;
        };
        *self.verdict.borrow_mut() = Some(refusal);
        false
    }
}

/// The lexer, watched. The parser tries things and takes them back, with a copy or a checkpoint of it.
#[derive(Clone)]
struct Watched<'a, 'w> {
    lexer: Lexer<'a>,
    chains: Chains,
    watch: &'w Watch<'w>,
}

impl Iterator for Watched<'_, '_> {
    type Item = TokenAndSpan;

    fn next(&mut self) -> Option<TokenAndSpan> {
        let token = self.lexer.next()?;
        self.chains.take(&token.token);
        // Nothing more: to the parser, the script ends here.
        self.watch.step(self.chains.fit()).then_some(token)
    }
}

impl<'a> Tokens<TokenAndSpan> for Watched<'a, '_> {
    type Checkpoint = (<Lexer<'a> as Tokens<TokenAndSpan>>::Checkpoint, Chains);

    fn checkpoint_save(&self) -> Self::Checkpoint {
        (self.lexer.checkpoint_save(), self.chains.clone())
    }

    fn checkpoint_load(&mut self, (lexer, chains): Self::Checkpoint) {
        self.lexer.checkpoint_load(lexer);
        self.chains = chains;
    }

    fn set_ctx(&mut self, context: Context) {
        self.lexer.set_ctx(context);
    }

    fn ctx(&self) -> Context {
        self.lexer.ctx()
    }

    fn ctx_mut(&mut self) -> &mut Context {
        self.lexer.ctx_mut()
    }

    fn syntax(&self) -> SyntaxFlags {
        self.lexer.syntax()
    }

    fn target(&self) -> EsVersion {
        self.lexer.target()
    }

    fn start_pos(&self) -> BytePos {
        self.lexer.start_pos()
    }

    fn set_expr_allowed(&mut self, allow: bool) {
        self.lexer.set_expr_allowed(allow);
    }

    fn set_next_regexp(&mut self, start: Option<BytePos>) {
        self.lexer.set_next_regexp(start);
    }

    fn token_context(&self) -> &TokenContexts {
        self.lexer.token_context()
    }

    fn token_context_mut(&mut self) -> &mut TokenContexts {
        self.lexer.token_context_mut()
    }

    fn set_token_context(&mut self, contexts: TokenContexts) {
        self.lexer.set_token_context(contexts);
    }

    fn add_error(&mut self, error: Error) {
        self.lexer.add_error(error);
    }

    fn add_module_mode_error(&mut self, error: Error) {
        self.lexer.add_module_mode_error(error);
    }

    fn end_pos(&self) -> BytePos {
        self.lexer.end_pos()
    }

    fn take_errors(&mut self) -> Vec<Error> {
        self.lexer.take_errors()
    }

    fn take_script_module_errors(&mut self) -> Vec<Error> {
        self.lexer.take_script_module_errors()
    }

    fn update_token_flags(&mut self, change: impl FnOnce(&mut TokenFlags)) {
        self.lexer.update_token_flags(change);
    }

    fn token_flags(&self) -> TokenFlags {
        self.lexer.token_flags()
    }
}

/// How deep the trees are that chains make: an upper bound, by bracket.
#[derive(Clone, Debug)]
struct Chains {
    /// The innermost bracket is the last; the first is the script.
    levels: Vec<Level>,
    before: Before,
    /// In TypeScript a comma may stand between the arguments of a type, in the middle of a chain.
    typed: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Level {
    /// Of the expression that is read.
    here: u32,
    /// Of those before it.
    deepest: u32,
    /// Since the statement began: each is within the one before.
    elses: u32,
    /// A `<` was read, which may open arguments of a type.
    less: bool,
}

/// What the last token was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// It can end an expression, and cannot begin one that goes on with a word.
    Operand,
    /// The same, and it can end a statement.
    Brace,
    Semicolon,
    Other,
}

impl Level {
    /// What was read is no part of what follows.
    fn expression_ends(&mut self) {
        self.deepest = self.deepest.max(self.here);
        self.here = 0;
    }

    fn statement_ends(&mut self) {
        self.deepest = self.deepest.max(self.elses);
        self.elses = 0;
    }
}

impl Chains {
    fn new(typed: bool) -> Chains {
        Chains { levels: vec![Level::default()], before: Before::Semicolon, typed }
    }

    fn fit(&self) -> bool {
        self.levels.last().is_none_or(|level| level.here <= CHAIN_MAX && level.elses <= CHAIN_MAX)
    }

    fn take(&mut self, token: &Token) {
        let before = self.before;
        self.before = Before::Other;
        let ended = matches!(before, Before::Operand | Before::Brace);
        let Some(level) = self.levels.last_mut() else { return };
        match token {
            Token::LParen | Token::LBracket | Token::DollarLBrace => self.levels.push(Level::default()),
            Token::LBrace => {
                if ended {
                    level.expression_ends();
                }
                self.levels.push(Level::default());
            }
            Token::RParen | Token::RBracket | Token::RBrace => {
                self.before = if matches!(token, Token::RBrace) { Before::Brace } else { Before::Operand };
                if let [.., outer, inner] = self.levels.as_mut_slice() {
                    let inside = inner.here.max(inner.deepest).saturating_add(inner.elses);
                    outer.here = outer.here.max(inside).saturating_add(1);
                    self.levels.pop();
                }
            }
            Token::Semi => {
                level.expression_ends();
                level.less = false;
                self.before = Before::Semicolon;
            }
            Token::Comma if !level.less => level.expression_ends(),
            Token::BackQuote => {
                level.here = level.here.saturating_add(1);
                self.before = Before::Operand;
            }
            Token::Str { .. } | Token::Num { .. } | Token::BigInt { .. } | Token::Regex(..) => {
                if ended {
                    level.expression_ends();
                }
                self.before = Before::Operand;
            }
            Token::Hash | Token::At | Token::Tilde if ended => level.expression_ends(),
            Token::Word(word) => self.word(word, before),
            Token::BinOp(operator) => {
                level.less |= self.typed && *operator == BinOpToken::Lt;
                level.here = level.here.saturating_add(1);
            }
            _ => level.here = level.here.saturating_add(1),
        }
    }

    fn word(&mut self, word: &Word, before: Before) {
        let Some(level) = self.levels.last_mut() else { return };
        let operator = matches!(
            word,
            Word::Keyword(Keyword::In | Keyword::InstanceOf)
                | Word::Ident(IdentLike::Known(KnownIdent::As | KnownIdent::Satisfies))
        );
        if operator {
            level.here = level.here.saturating_add(1);
            return;
        }
        if matches!(before, Before::Operand | Before::Brace) {
            level.expression_ends();
        }
        match word {
            Word::Keyword(Keyword::Else) => level.elses = level.elses.saturating_add(1),
            _ if matches!(before, Before::Semicolon | Before::Brace) => level.statement_ends(),
            _ => {}
        }
        let ends = matches!(
            word,
            Word::Null
                | Word::True
                | Word::False
                | Word::Ident(IdentLike::Other(_))
                | Word::Keyword(Keyword::This | Keyword::Super)
        );
        self.before = if ends { Before::Operand } else { Before::Other };
    }
}
