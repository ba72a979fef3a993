"""HTTP/1.1 by hand: what proper clients send seldom, and attackers often."""
