"""Laws of the robots: nothing moves beyond, faster or harder than it may."""
