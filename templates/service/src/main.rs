//! A small service over HTTP: `GET /` greets, `GET /health` says that it is well. `PORT` is where it listens.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};

fn main() -> std::io::Result<()> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "8080".to_owned());
    let listener = TcpListener::bind(format!("0.0.0.0:{port}"))?;
    println!("listening on {}", listener.local_addr()?);
    for stream in listener.incoming() {
        let stream = stream?;
        std::thread::spawn(move || {
            if let Err(error) = answer(stream) {
                eprintln!("a request failed: {error}");
            }
        });
    }
    Ok(())
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = String::new();
    let mut reader = BufReader::new(stream.try_clone()?);
    reader.read_line(&mut request)?;
    // The rest of the head is read, lest the connection be reset.
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let (status, body) = respond(&request);
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Status and body for the first line of a request.
fn respond(request: &str) -> (&'static str, &'static str) {
    match request.split_whitespace().nth(1) {
        Some("/") => ("200 OK", "Hello from app-name.\n"),
        Some("/health") => ("200 OK", "well\n"),
        _ => ("404 Not Found", "there is nothing here\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::respond;

    #[test]
    fn it_is_well() {
        assert_eq!(respond("GET /health HTTP/1.1"), ("200 OK", "well\n"));
    }
}
