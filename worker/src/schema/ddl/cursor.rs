//! Tokens of a statement, and a place among them.

use sqlparser::dialect::MySqlDialect;
use sqlparser::tokenizer::{Token, Tokenizer};

use super::{Flavour, TableName};

/// What was expected is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Misread;

pub(super) type Read<T> = Result<T, Misread>;

/// See the module.
pub(super) struct Cursor<'a> {
    tokens: Vec<Token>,
    at: usize,
    database: &'a str,
    flavour: Flavour,
}

impl<'a> Cursor<'a> {
    /// Cuts `text`; `database` is the default one.
    pub(super) fn new(text: &str, database: &'a str, flavour: Flavour) -> Read<Self> {
        let tokens = Tokenizer::new(&MySqlDialect {}, text).tokenize().map_err(|_| Misread)?;
        let tokens = tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect();
        Ok(Self { tokens, at: 0, database, flavour })
    }

    /// Which server wrote the statement.
    pub(super) fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// The next token.
    pub(super) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).filter(|token| !matches!(token, Token::SemiColon | Token::EOF))
    }

    /// The token `ahead` of the next one.
    pub(super) fn peek_at(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead)
    }

    /// Takes the next token.
    pub(super) fn next(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.at += usize::from(token.is_some());
        token
    }

    /// Steps over the next token.
    pub(super) fn skip(&mut self) {
        self.at += usize::from(self.peek().is_some());
    }

    /// Whether nothing is left.
    pub(super) fn is_over(&self) -> bool {
        self.peek().is_none()
    }

    /// The next token if it is a word without quotes, in capitals.
    pub(super) fn keyword(&self) -> Option<String> {
        self.keyword_at(0)
    }

    /// The same for the token `ahead` of it.
    pub(super) fn keyword_at(&self, ahead: usize) -> Option<String> {
        match self.peek_at(ahead) {
            Some(Token::Word(word)) if word.quote_style.is_none() => Some(word.value.to_ascii_uppercase()),
            _ => None,
        }
    }

    /// Whether the next words are these.
    pub(super) fn sees(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(ahead, word)| self.keyword_at(ahead).as_deref() == Some(word))
    }

    /// Takes the next words if they are these.
    pub(super) fn accept(&mut self, words: &[&str]) -> bool {
        let seen = self.sees(words);
        if seen {
            self.at += words.len();
        }
        seen
    }

    /// Takes the next word if it is one of these.
    pub(super) fn accept_any(&mut self, words: &[&str]) -> bool {
        let seen = self.keyword().is_some_and(|word| words.contains(&word.as_str()));
        self.at += usize::from(seen);
        seen
    }

    /// Takes the next token if it is `token`.
    pub(super) fn accept_token(&mut self, token: &Token) -> bool {
        let seen = self.peek() == Some(token);
        self.at += usize::from(seen);
        seen
    }

    /// `IF EXISTS`.
    pub(super) fn if_exists(&mut self) -> bool {
        self.accept(&["IF", "EXISTS"])
    }

    /// `IF NOT EXISTS`.
    pub(super) fn if_not_exists(&mut self) -> bool {
        self.accept(&["IF", "NOT", "EXISTS"])
    }

    /// A name, with quotes or without. With ANSI_QUOTES what looks like text is a name too.
    pub(super) fn name(&mut self) -> Read<String> {
        let name = match self.peek() {
            Some(Token::Word(word)) => word.value.clone(),
            Some(Token::DoubleQuotedString(text) | Token::SingleQuotedString(text)) => text.clone(),
            Some(Token::Number(digits, _)) => digits.clone(),
            _ => return Err(Misread),
        };
        self.skip();
        Ok(name)
    }

    /// A database's name.
    pub(super) fn database(&mut self) -> Read<String> {
        let name = self.name()?;
        Ok(self.folded(name))
    }

    /// The default database.
    pub(super) fn default_database(&self) -> String {
        self.folded(self.database.to_owned())
    }

    fn folded(&self, name: String) -> String {
        if self.flavour.folds_names { name.to_lowercase() } else { name }
    }

    /// `table`, `database.table` or `.table`.
    pub(super) fn table(&mut self) -> Read<TableName> {
        if self.accept_token(&Token::Period) {
            let name = self.name()?;
            return Ok(TableName { database: self.default_database(), table: self.folded(name) });
        }
        let first = self.name()?;
        let (database, table) = if self.accept_token(&Token::Period) {
            (self.folded(first), self.name()?)
        } else {
            // `a.1b` may come as one number.
            (self.default_database(), first)
        };
        Ok(TableName { database, table: self.folded(table) })
    }

    /// A column, of which some statements say table or database and table before.
    pub(super) fn column(&mut self) -> Read<String> {
        let mut name = self.name()?;
        while self.accept_token(&Token::Period) {
            name = self.name()?;
        }
        Ok(name)
    }

    /// Steps over a token, or over a whole group in parentheses if it opens one.
    pub(super) fn skip_group(&mut self) {
        let mut depth = 0usize;
        while let Some(token) = self.next() {
            match token {
                Token::LParen => depth += 1,
                Token::RParen => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// Whether the element at hand ends here: a comma, a closing parenthesis or the statement's end.
    pub(super) fn ends_element(&self) -> bool {
        matches!(self.peek(), None | Some(Token::Comma | Token::RParen))
    }

    /// Steps over the rest of the element at hand.
    pub(super) fn skip_element(&mut self) {
        while !self.ends_element() {
            self.skip_group();
        }
    }

    /// Steps over everything.
    pub(super) fn skip_all(&mut self) {
        self.at = self.tokens.len();
    }

    /// Numbers and names in parentheses, if there are any: the length of a type, the columns of a key. Of `a(10) DESC` only the name counts.
    pub(super) fn list(&mut self) -> Read<Vec<String>> {
        let mut items = Vec::new();
        if !self.accept_token(&Token::LParen) {
            return Ok(items);
        }
        loop {
            items.push(self.column()?);
            self.skip_element();
            if self.accept_token(&Token::RParen) {
                return Ok(items);
            }
            if !self.accept_token(&Token::Comma) {
                return Err(Misread);
            }
        }
    }

    /// Every name that is left, for a statement that is not understood.
    pub(super) fn names(&self) -> Vec<String> {
        let name = |token: &Token| match token {
            Token::Word(word) => Some(self.folded(word.value.clone())),
            Token::DoubleQuotedString(text) => Some(self.folded(text.clone())),
            _ => None,
        };
        self.tokens.iter().filter_map(name).collect()
    }
}
