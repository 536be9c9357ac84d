// Whatever can be scrolled is reached by the keyboard, and the captions of the menu have a level.
for (const box of document.querySelectorAll("pre, .table-wrapper, div.math")) {
  if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
}
for (const caption of document.querySelectorAll(".sidebar-tree .caption")) {
  caption.setAttribute("aria-level", "2");
}
