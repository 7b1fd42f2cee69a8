"""What files say of themselves beside their pixels: groups to split by, and notices about windows, sides and views."""
